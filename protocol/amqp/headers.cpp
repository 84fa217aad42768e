#include "protocol/amqp/headers.h"

namespace wherry::amqp {

Headers Headers::of_bytes(std::string pairs) {
  Headers headers;
  headers.bytes_ = std::move(pairs);
  return headers;
}

std::string_view Headers::bytes(std::string& room) const {
  if (bytes_) return *bytes_;
  room = encode_table(table());
  return room;
}

const Table& Headers::table() const {
  if (!table_) {
    table_.emplace();
    if (bytes_) {
      auto made = decode_table({*bytes_});
      WHERRY_ASSERT(made);
      *table_ = std::move(*made);
    }
  }
  return *table_;
}

Table& Headers::table() {
  std::as_const(*this).table();
  bytes_.reset();
  return *table_;
}

}  // namespace wherry::amqp

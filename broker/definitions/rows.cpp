#include "broker/definitions/rows.h"

#include "base/crc32c.h"

namespace wherry::broker {

namespace {

// The row's kind, then its columns: numbers as 8 bytes big-endian, texts and blobs with their length before them.
class Checksum {
 public:
  explicit Checksum(char kind) { bytes_.push_back(kind); }
  Checksum& add(std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes_.push_back(static_cast<char>(number >> shift));
    return *this;
  }
  Checksum& add(std::string_view text) {
    add(std::uint64_t{text.size()});
    bytes_ += text;
    return *this;
  }
  std::uint32_t value() const { return crc32c(bytes_); }

 private:
  std::string bytes_;
};

std::uint64_t number(bool flag) {
  return flag ? 1 : 0;
}

}  // namespace

std::uint32_t checksum_of(const VhostRow& row) {
  return Checksum('v').add(row.name).value();
}

std::uint32_t checksum_of(const ExchangeRow& row) {
  Checksum sum('e');
  sum.add(row.vhost).add(row.name).add(row.type).add(number(row.auto_delete)).add(number(row.internal));
  return sum.add(row.arguments).value();
}

std::uint32_t checksum_of(const QueueRow& row) {
  Checksum sum('q');
  sum.add(row.id).add(row.vhost).add(row.name).add(number(row.auto_delete)).add(std::uint64_t{row.home});
  return sum.add(row.arguments).value();
}

std::uint32_t checksum_of(const BindingRow& row) {
  Checksum sum('b');
  sum.add(row.vhost).add(row.source).add(number(row.kind == DestinationKind::exchange)).add(row.destination);
  return sum.add(row.routing_key).add(row.arguments).value();
}

std::uint32_t checksum_of(const ParameterRow& row) {
  return Checksum('p').add(row.vhost).add(row.component).add(row.name).add(row.value).value();
}

std::uint32_t checksum_of(const Totals& totals) {
  Checksum sum('s');
  sum.add(totals.queue_ids_below);
  for (std::int64_t count : {totals.vhosts, totals.exchanges, totals.queues, totals.bindings}) {
    sum.add(static_cast<std::uint64_t>(count));
  }
  return sum.add(totals.rows_checksum).value();
}

}  // namespace wherry::broker

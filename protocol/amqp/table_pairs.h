// The pairs of a table one after the other, where they stand: read without building values, and written without them.
//
// For those who look at many tables and keep little of each: a task's headers are twenty pairs, of which a worker wants
// some texts and numbers.
//
// Contract: what is read must be well-formed, as check_table() has found it; of anything else some pairs are not
// visited, and nothing outside the bytes is read. Source: AMQP 0-9-1 section 4.2.5.5 and the errata, as table.h has
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/amqp/table.h"
#include "protocol/amqp/wire.h"

namespace wherry::amqp {

// One value. raw: for S, x, A and F what follows its length, else the bytes of the value.
struct FieldView {
  char type = 'V';
  std::string_view raw{};

  bool is_null() const { return type == 'V'; }
  std::optional<std::string_view> text() const;
  bool integer(std::int64_t& into) const;  // Whether it is an integer of any width.
  bool boolean(bool& into) const;
  // Built, with all that is in it.
  FieldValue value() const;
};

// Reads the next value; false at the end, or when what follows is no value.
bool next_field(ByteReader& from, FieldView& into);

// Calls visit(name, value) for each pair.
template <class Visit>
void each_pair(TableView table, Visit&& visit) {
  ByteReader from(table.raw);
  while (!from.at_end()) {
    const std::string_view name = read_short_string(from);
    FieldView value;
    if (!next_field(from, value)) return;
    visit(name, value);
  }
}

// Appends pairs to a text, which is then what TableView::raw holds. Names are of at most 255 bytes.
class PairWriter {
 public:
  explicit PairWriter(std::string& to) : to_(to) {}

  void null(std::string_view name) { head(name, 'V'); }
  void text(std::string_view name, std::string_view value);
  void boolean(std::string_view name, bool value);
  // As I when it fits, else as l.
  void integer(std::string_view name, std::int64_t value);
  void value(std::string_view name, const FieldValue& value);
  // nested: the bytes of the values of an array (A) or of the pairs of a table (F).
  void nested(std::string_view name, char type, std::string_view nested);

 private:
  void head(std::string_view name, char type);
  std::string& to_;
};

}  // namespace wherry::amqp

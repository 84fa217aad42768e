// Field tables decoded: names and values in the order they were written.
//
// All types of both dialects are read: the specification's and RabbitMQ's / Qpid's errata (where they clash RabbitMQ's
// meaning is taken: 's' is a signed 16-bit integer, 'l' and 'L' are signed 64-bit integers, 'b' is signed and 'B'
// unsigned 8-bit). Written is the set that every client reads alike: S I l d t F A T V x (an unsigned value above the
// signed range is written as 'l' after clamping is refused with an assert: no such value can be built).
//
// Limits: nesting depth 32, so that no input can exhaust the stack.
// Errors: decode gives one Error with a sentence; nothing is half decoded.
// Threads: values are plain data.
// Source: AMQP 0-9-1 section 4.2.5.5 and the errata at rabbitmq.com/amqp-0-9-1-errata (section 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "protocol/amqp/table_view.h"

namespace wherry::amqp {

struct FieldValue;

struct Decimal {
  std::uint8_t scale = 0;  // Digits after the point.
  std::int32_t unscaled = 0;
  friend bool operator==(const Decimal&, const Decimal&) = default;
};
struct Timestamp {
  std::uint64_t seconds = 0;  // POSIX time.
  friend bool operator==(const Timestamp&, const Timestamp&) = default;
};
struct ByteArray {
  std::string bytes;
  friend bool operator==(const ByteArray&, const ByteArray&) = default;
};
using FieldArray = std::vector<FieldValue>;

// A table keeps the order of its names; a name that is written twice is kept twice and find() gives the first.
class Table {
 public:
  using Entry = std::pair<std::string, FieldValue>;

  bool empty() const;
  std::size_t size() const;
  const FieldValue* find(std::string_view name) const;  // nullptr when absent.
  void set(std::string_view name, FieldValue value);    // Replaces the first of that name, or appends.
  bool erase(std::string_view name);                    // All of that name; whether there was one.
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry>& entries() { return entries_; }

  // Convenience readers: the value when the name is there with a type that fits.
  const std::string* string(std::string_view name) const;
  bool integer(std::string_view name, std::int64_t& into) const;  // Any integer width.
  bool boolean(std::string_view name, bool& into) const;

  friend bool operator==(const Table&, const Table&);

 private:
  std::vector<Entry> entries_;
};

// The alternatives keep the width they had on the wire, for those who compare or print; integer() reads any of them.
struct FieldValue {
  using Variant = std::variant<std::monostate, bool, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                               std::int32_t, std::uint32_t, std::int64_t, float, double, Decimal, std::string,
                               ByteArray, Timestamp, FieldArray, Table>;
  Variant value;

  FieldValue() = default;
  template <class T>
  requires(!std::is_same_v<std::remove_cvref_t<T>, FieldValue> && std::is_constructible_v<Variant, T&&>)
      FieldValue(T&& from)
      : value(std::forward<T>(from)) {}
  FieldValue(const char* text) : value(std::string(text)) {}

  template <class T>
  const T* get() const {
    return std::get_if<T>(&value);
  }
  bool is_null() const { return std::holds_alternative<std::monostate>(value); }
  bool is_integer() const;
  bool integer(std::int64_t& into) const;  // Whether it is an integer of any width.

  // Equal as RabbitMQ compares arguments: integers of different widths are one class.
  friend bool operator==(const FieldValue&, const FieldValue&);
};

Result<Table> decode_table(TableView view);
// The value of the first pair of that name, without building the others; nothing when it is not there, or when what
// stands before it cannot be read.
std::optional<FieldValue> find_field(TableView view, std::string_view name);
// Only the check, without building anything: what the broker does to a table that it passes on as it stands.
Result<void> check_table(TableView view);
// The pairs, without the length prefix: what TableView::raw holds.
std::string encode_table(const Table& table);
// Its type and its bytes, behind what is there.
void append_field(std::string& to, const FieldValue& value);
// One line for logs and errors: {x-max-length: 10, x-mode: "lazy"}.
std::string to_string(const Table& table);
std::string to_string(const FieldValue& value);

}  // namespace wherry::amqp

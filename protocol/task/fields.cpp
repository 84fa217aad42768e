#include "protocol/task/fields.h"

#include <chrono>
#include <limits>

#include "base/iso8601.h"
#include "protocol/task/repr.h"

namespace wherry::task {

namespace {

// Leaves room for the headers' own table within the limit of protocol/amqp/table.h.
constexpr std::size_t most_nested = 30;

struct ToField {
  using Out = Result<amqp::FieldValue>;
  std::size_t depth = 0;

  Out operator()(std::monostate) const { return amqp::FieldValue(); }
  Out operator()(bool is) const { return amqp::FieldValue(is); }
  Out operator()(std::int64_t is) const {
    if (std::in_range<std::int32_t>(is)) return amqp::FieldValue(static_cast<std::int32_t>(is));
    if (is < 0) return refused(std::to_string(is));
    return amqp::FieldValue(is);
  }
  Out operator()(std::uint64_t is) const { return refused(std::to_string(is)); }
  Out operator()(double is) const { return amqp::FieldValue(is); }
  Out operator()(const std::string& is) const { return amqp::FieldValue(is); }
  Out operator()(const Bytes& is) const { return amqp::FieldValue(amqp::ByteArray{is.data}); }
  Out operator()(const Value::Array& is) const {
    if (depth == most_nested) return too_deep();
    amqp::FieldArray array;
    for (const Value& value : is) {
      auto field = std::visit(ToField{depth + 1}, value.variant());
      if (!field) return field;
      array.push_back(std::move(*field));
    }
    return amqp::FieldValue(std::move(array));
  }
  Out operator()(const Value::Map& is) const {
    if (depth == most_nested) return too_deep();
    amqp::Table table;
    for (const auto& [name, value] : is) {
      if (name.size() > 255) return fail("a header's name of more than 255 bytes: " + std::string(cut_utf8(name, 60)));
      auto field = std::visit(ToField{depth + 1}, value.variant());
      if (!field) return field;
      table.entries().emplace_back(name, std::move(*field));
    }
    return amqp::FieldValue(std::move(table));
  }

  static Out refused(const std::string& number) {
    return fail("integer " + number + " cannot be sent in a header that every client reads alike");
  }
  static Out too_deep() { return fail("nested too deep for a header"); }
};

struct FromField {
  Value operator()(std::monostate) const { return {}; }
  Value operator()(bool is) const { return is; }
  template <std::integral T>
  Value operator()(T is) const {
    return is;
  }
  Value operator()(float is) const { return is; }
  Value operator()(double is) const { return is; }
  Value operator()(const std::string& is) const { return is; }
  Value operator()(const amqp::ByteArray& is) const { return Bytes{is.bytes}; }
  Value operator()(const amqp::Decimal& is) const { return amqp::to_string(amqp::FieldValue(is)); }
  Value operator()(amqp::Timestamp is) const {
    constexpr auto last = std::chrono::floor<std::chrono::seconds>(WallTime::max().time_since_epoch()).count();
    if (is.seconds >= static_cast<std::uint64_t>(last)) return is.seconds;
    return format_iso8601(WallTime(std::chrono::seconds(is.seconds)));
  }
  Value operator()(const amqp::FieldArray& is) const {
    Value::Array array;
    array.reserve(is.size());
    for (const amqp::FieldValue& field : is) array.push_back(from_field(field));
    return array;
  }
  Value operator()(const amqp::Table& is) const {
    Value::Map map;
    map.reserve(is.size());
    for (const auto& [name, field] : is.entries()) map.emplace_back(name, from_field(field));
    drop_repeated_keys(map);
    return map;
  }
};

}  // namespace

Result<amqp::FieldValue> to_field(const Value& value) {
  return std::visit(ToField{}, value.variant());
}

Value from_field(const amqp::FieldValue& field) {
  return std::visit(FromField{}, field.value);
}

}  // namespace wherry::task

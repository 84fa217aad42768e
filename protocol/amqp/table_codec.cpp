// Field tables: bytes to values and back. Decoding and checking walk the same grammar; the check builds nothing.
#include <bit>
#include <limits>

#include <fmt/format.h>

#include "protocol/amqp/table.h"
#include "protocol/amqp/wire.h"

namespace wherry::amqp {

namespace {

constexpr int depth_limit = 32;

std::string bad_type(char type) {
  return fmt::format("field table: unknown value type 0x{:02x}", static_cast<unsigned char>(type));
}
Error too_deep() {
  return {fmt::format("field table: nested deeper than {} levels", depth_limit)};
}
Error cut_short() {
  return {"field table: ends in the middle of a value"};
}

// What a walk does with the values it meets: Building keeps them, each read where it stays, Checking only steps over
// them.
struct Building {
  using Value = FieldValue;
  using Array = FieldArray;
  using Pairs = Table;
  template <class T>
  static void put(Value& into, T value) {
    into.value.emplace<T>(std::move(value));
  }
  static void text(Value& into, std::string_view view) { into.value.emplace<std::string>(view); }
  static void binary(Value& into, std::string_view view) { into.value.emplace<ByteArray>(std::string(view)); }
  static Value& next(Array& array) { return array.emplace_back(); }
  static Value& next(Pairs& pairs, std::string_view name) {
    auto& [key, value] = pairs.entries().emplace_back();
    key.assign(name);
    return value;
  }
};

struct Checking {
  struct Value {};
  struct Array {
    Value last;
  };
  using Pairs = Array;
  template <class T>
  static void put(Value&, const T&) {}
  static void text(Value&, std::string_view) {}
  static void binary(Value&, std::string_view) {}
  static Value& next(Array& array) { return array.last; }
  static Value& next(Pairs& pairs, std::string_view) { return pairs.last; }
};

template <class Mode>
class Walk {
 public:
  using Value = typename Mode::Value;
  using Array = typename Mode::Array;
  using Pairs = typename Mode::Pairs;

  bool pairs(std::string_view raw, Pairs& into, int depth) {
    if (depth > depth_limit) return give_up(too_deep());
    ByteReader from(raw);
    while (!from.at_end()) {
      std::string_view name = read_short_string(from);
      if (!one(from, Mode::next(into, name), depth)) return false;
    }
    return from.ok() || give_up(cut_short());
  }

  bool one(ByteReader& from, Value& into, int depth) {
    char type = static_cast<char>(from.u8());
    if (!from.ok()) return give_up(cut_short());
    switch (type) {
      case 'V':
        break;
      case 't':
        Mode::put(into, from.u8() != 0);
        break;
      case 'b':
        Mode::put(into, static_cast<std::int8_t>(from.u8()));
        break;
      case 'B':
        Mode::put(into, from.u8());
        break;
      case 's':
      case 'U':
        Mode::put(into, static_cast<std::int16_t>(from.u16()));
        break;
      case 'u':
        Mode::put(into, from.u16());
        break;
      case 'I':
        Mode::put(into, static_cast<std::int32_t>(from.u32()));
        break;
      case 'i':
        Mode::put(into, from.u32());
        break;
      case 'l':
      case 'L':
        Mode::put(into, static_cast<std::int64_t>(from.u64()));
        break;
      case 'f':
        Mode::put(into, std::bit_cast<float>(from.u32()));
        break;
      case 'd':
        Mode::put(into, std::bit_cast<double>(from.u64()));
        break;
      case 'D': {
        std::uint8_t scale = from.u8();
        Mode::put(into, Decimal{scale, static_cast<std::int32_t>(from.u32())});
        break;
      }
      case 'T':
        Mode::put(into, Timestamp{from.u64()});
        break;
      case 'S':
        Mode::text(into, read_long_string(from));
        break;
      case 'x':
        Mode::binary(into, read_long_string(from));
        break;
      case 'A': {
        Array nested;
        std::string_view raw = read_long_string(from);
        if (from.ok() && !array(raw, nested, depth + 1)) return false;
        Mode::put(into, std::move(nested));
        break;
      }
      case 'F': {
        Pairs nested;
        std::string_view raw = read_long_string(from);
        if (from.ok() && !pairs(raw, nested, depth + 1)) return false;
        Mode::put(into, std::move(nested));
        break;
      }
      default:
        return give_up({bad_type(type)});
    }
    return from.ok() || give_up(cut_short());
  }

  Error error() { return std::move(error_); }

 private:
  bool array(std::string_view raw, Array& into, int depth) {
    if (depth > depth_limit) return give_up(too_deep());
    ByteReader from(raw);
    while (!from.at_end()) {
      if (!one(from, Mode::next(into), depth)) return false;
    }
    return true;
  }

  bool give_up(Error error) {
    error_ = std::move(error);
    return false;
  }

  Error error_;
};

// --- writing --------------------------------------------------------------------------------------------------------

using Writer = ByteWriter<std::string>;

void write_pairs(std::string& to, const Table& table);
void write_value(std::string& to, const FieldValue& field);

// The length of a nested table or array is known after its content: it is filled in then.
template <class F>
void write_behind_length(std::string& to, F content) {
  std::size_t at = to.size();
  to.append(4, '\0');
  content();
  store_big(to.data() + at, static_cast<std::uint32_t>(to.size() - at - 4));
}

void write_int32(std::string& to, std::int32_t value) {
  to += 'I';
  Writer(to).u32(static_cast<std::uint32_t>(value));
}
void write_int64(std::string& to, std::int64_t value) {
  to += 'l';
  Writer(to).u64(static_cast<std::uint64_t>(value));
}
void write_double(std::string& to, double value) {
  to += 'd';
  Writer(to).u64(std::bit_cast<std::uint64_t>(value));
}

struct ValueWriter {
  std::string& to;
  void operator()(std::monostate) const { to += 'V'; }
  void operator()(bool value) const {
    to += 't';
    to += value ? '\1' : '\0';
  }
  void operator()(std::int8_t value) const { write_int32(to, value); }
  void operator()(std::uint8_t value) const { write_int32(to, value); }
  void operator()(std::int16_t value) const { write_int32(to, value); }
  void operator()(std::uint16_t value) const { write_int32(to, value); }
  void operator()(std::int32_t value) const { write_int32(to, value); }
  void operator()(std::uint32_t value) const {
    if (value <= static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) {
      write_int32(to, static_cast<std::int32_t>(value));
    } else {
      write_int64(to, value);
    }
  }
  void operator()(std::int64_t value) const { write_int64(to, value); }
  void operator()(float value) const { write_double(to, value); }
  void operator()(double value) const { write_double(to, value); }
  void operator()(const Decimal& value) const {
    to += 'D';
    Writer writer(to);
    writer.u8(value.scale);
    writer.u32(static_cast<std::uint32_t>(value.unscaled));
  }
  void operator()(const std::string& value) const {
    char head[5] = {'S'};
    store_big(head + 1, static_cast<std::uint32_t>(value.size()));
    to.append(head, sizeof head).append(value);
  }
  void operator()(const ByteArray& value) const {
    to += 'x';
    Writer writer(to);
    write_long_string(writer, value.bytes);
  }
  void operator()(const Timestamp& value) const {
    to += 'T';
    Writer(to).u64(value.seconds);
  }
  void operator()(const FieldArray& value) const {
    to += 'A';
    write_behind_length(to, [&] {
      for (const FieldValue& element : value) write_value(to, element);
    });
  }
  void operator()(const Table& value) const {
    to += 'F';
    write_behind_length(to, [&] { write_pairs(to, value); });
  }
};

void write_value(std::string& to, const FieldValue& field) {
  std::visit(ValueWriter{to}, field.value);
}

void write_pairs(std::string& to, const Table& table) {
  for (const auto& [name, value] : table.entries()) {
    Writer writer(to);
    write_short_string(writer, name);
    write_value(to, value);
  }
}

}  // namespace

Result<Table> decode_table(TableView view) {
  Walk<Building> walk;
  Table table;
  // A name, its length, a type and a value: few pairs are smaller than this.
  table.entries().reserve(view.raw.size() / 16);
  if (!walk.pairs(view.raw, table, 1)) return tl::unexpected(walk.error());
  return table;
}

std::optional<FieldValue> find_field(TableView view, std::string_view name) {
  ByteReader from(view.raw);
  while (!from.at_end()) {
    if (read_short_string(from) == name) {
      Walk<Building> walk;
      FieldValue value;
      if (walk.one(from, value, 1)) return value;
      return {};
    }
    Walk<Checking> walk;
    Checking::Value passed;
    if (!walk.one(from, passed, 1)) return {};
  }
  return {};
}

Result<void> check_table(TableView view) {
  Walk<Checking> walk;
  Checking::Pairs nothing;
  if (!walk.pairs(view.raw, nothing, 1)) return tl::unexpected(walk.error());
  return {};
}

void append_field(std::string& to, const FieldValue& value) {
  write_value(to, value);
}

std::string encode_table(const Table& table) {
  std::string bytes;
  bytes.reserve(32 * table.size());
  write_pairs(bytes, table);
  return bytes;
}

}  // namespace wherry::amqp

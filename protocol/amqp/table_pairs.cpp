#include "protocol/amqp/table_pairs.h"

#include <algorithm>
#include <utility>

namespace wherry::amqp {

namespace {

// How many bytes a value of that type has, the length of those that say it themselves left out; -1: there is no such
// type.
constexpr int plain_size(char type) {
  switch (type) {
    case 'V':
      return 0;
    case 't':
    case 'b':
    case 'B':
      return 1;
    case 's':
    case 'U':
    case 'u':
      return 2;
    case 'I':
    case 'i':
    case 'f':
      return 4;
    case 'D':
      return 5;
    case 'l':
    case 'L':
    case 'd':
    case 'T':
      return 8;
    default:
      return -1;
  }
}

constexpr bool says_its_length(char type) {
  return type == 'S' || type == 'x' || type == 'A' || type == 'F';
}

}  // namespace

std::optional<std::string_view> FieldView::text() const {
  if (type == 'S') return raw;
  return std::nullopt;
}

bool FieldView::integer(std::int64_t& into) const {
  switch (type) {
    case 'b':
      into = static_cast<std::int8_t>(raw[0]);
      return true;
    case 'B':
      into = static_cast<std::uint8_t>(raw[0]);
      return true;
    case 's':
    case 'U':
      into = static_cast<std::int16_t>(load_big<std::uint16_t>(raw.data()));
      return true;
    case 'u':
      into = load_big<std::uint16_t>(raw.data());
      return true;
    case 'I':
      into = static_cast<std::int32_t>(load_big<std::uint32_t>(raw.data()));
      return true;
    case 'i':
      into = load_big<std::uint32_t>(raw.data());
      return true;
    case 'l':
    case 'L':
      into = static_cast<std::int64_t>(load_big<std::uint64_t>(raw.data()));
      return true;
    default:
      return false;
  }
}

bool FieldView::boolean(bool& into) const {
  if (type != 't') return false;
  into = raw[0] != 0;
  return true;
}

FieldValue FieldView::value() const {
  // A table of one pair without a name, which the decoder of tables reads.
  std::string pair;
  PairWriter(pair).nested({}, type, raw);
  if (!says_its_length(type)) pair.erase(2, 4);
  return find_field({pair}, {}).value_or(FieldValue());
}

bool next_field(ByteReader& from, FieldView& into) {
  into.type = static_cast<char>(from.u8());
  const int size = plain_size(into.type);
  if (size < 0 && !says_its_length(into.type)) return false;
  into.raw = size < 0 ? read_long_string(from) : from.bytes(static_cast<std::size_t>(size));
  return from.ok();
}

void PairWriter::head(std::string_view name, char type) {
  WHERRY_ASSERT(name.size() <= short_string_max);
  char bytes[2 + short_string_max];
  bytes[0] = static_cast<char>(name.size());
  std::copy(name.begin(), name.end(), bytes + 1);
  bytes[1 + name.size()] = type;
  to_.append(bytes, name.size() + 2);
}

void PairWriter::nested(std::string_view name, char type, std::string_view nested) {
  head(name, type);
  char length[4];
  store_big(length, static_cast<std::uint32_t>(nested.size()));
  to_.append(length, sizeof length).append(nested);
}

void PairWriter::text(std::string_view name, std::string_view value) {
  nested(name, 'S', value);
}

void PairWriter::boolean(std::string_view name, bool value) {
  head(name, 't');
  to_ += value ? '\1' : '\0';
}

void PairWriter::integer(std::string_view name, std::int64_t value) {
  char bytes[8];
  if (std::in_range<std::int32_t>(value)) {
    head(name, 'I');
    store_big(bytes, static_cast<std::uint32_t>(value));
    to_.append(bytes, 4);
  } else {
    head(name, 'l');
    store_big(bytes, static_cast<std::uint64_t>(value));
    to_.append(bytes, 8);
  }
}

void PairWriter::value(std::string_view name, const FieldValue& value) {
  head(name, 'V');
  to_.pop_back();
  append_field(to_, value);
}

}  // namespace wherry::amqp

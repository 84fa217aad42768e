#include "protocol/amqp/table.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace wherry::amqp {

bool Table::empty() const {
  return entries_.empty();
}
std::size_t Table::size() const {
  return entries_.size();
}

const FieldValue* Table::find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.first == name) return &entry.second;
  }
  return nullptr;
}

void Table::set(std::string_view name, FieldValue value) {
  for (Entry& entry : entries_) {
    if (entry.first == name) {
      entry.second = std::move(value);
      return;
    }
  }
  entries_.emplace_back(std::string(name), std::move(value));
}

bool Table::erase(std::string_view name) {
  return std::erase_if(entries_, [&](const Entry& entry) { return entry.first == name; }) > 0;
}

const std::string* Table::string(std::string_view name) const {
  const FieldValue* found = find(name);
  return found ? found->get<std::string>() : nullptr;
}

bool Table::integer(std::string_view name, std::int64_t& into) const {
  const FieldValue* found = find(name);
  return found && found->integer(into);
}

bool Table::boolean(std::string_view name, bool& into) const {
  const FieldValue* found = find(name);
  const bool* value = found ? found->get<bool>() : nullptr;
  if (value) into = *value;
  return value != nullptr;
}

// Tables are equal when they hold the same pairs, whatever their order: RabbitMQ compares them sorted.
bool operator==(const Table& a, const Table& b) {
  if (a.entries_.size() != b.entries_.size()) return false;
  if (a.entries_ == b.entries_) return true;
  auto sorted = [](const Table& table) {
    std::vector<const Table::Entry*> entries;
    for (const Table::Entry& entry : table.entries_) entries.push_back(&entry);
    std::stable_sort(entries.begin(), entries.end(), [](const auto* x, const auto* y) { return x->first < y->first; });
    return entries;
  };
  auto x = sorted(a);
  auto y = sorted(b);
  return std::equal(x.begin(), x.end(), y.begin(), [](const auto* p, const auto* q) { return *p == *q; });
}

namespace {
template <class T>
constexpr bool is_integer_type = std::is_integral_v<T> && !std::is_same_v<T, bool>;

bool floating(const FieldValue& field, double& into) {
  if (const float* narrow = field.get<float>()) {
    into = *narrow;
    return true;
  }
  if (const double* wide = field.get<double>()) {
    into = *wide;
    return true;
  }
  return false;
}
}  // namespace

bool FieldValue::integer(std::int64_t& into) const {
  return std::visit(
      [&]<class T>(const T& held) {
        if constexpr (is_integer_type<T>) into = static_cast<std::int64_t>(held);
        return is_integer_type<T>;
      },
      value);
}

bool FieldValue::is_integer() const {
  std::int64_t ignored = 0;
  return integer(ignored);
}

bool operator==(const FieldValue& a, const FieldValue& b) {
  std::int64_t i = 0;
  std::int64_t j = 0;
  if (a.integer(i)) return b.integer(j) && i == j;
  double x = 0;
  double y = 0;
  if (floating(a, x)) return floating(b, y) && x == y;
  return a.value == b.value;
}

// --- for people -----------------------------------------------------------------------------------------------------

namespace {

void print(std::string& to, const Table& table);

struct Printer {
  std::string& to;
  void operator()(std::monostate) const { to += "null"; }
  void operator()(bool value) const { to += value ? "true" : "false"; }
  void operator()(float value) const { fmt::format_to(std::back_inserter(to), "{}", value); }
  void operator()(double value) const { fmt::format_to(std::back_inserter(to), "{}", value); }
  void operator()(const Decimal& value) const {
    fmt::format_to(std::back_inserter(to), "{}e-{}", value.unscaled, value.scale);
  }
  void operator()(const std::string& value) const {
    to += '"';
    for (char c : value) {
      auto octet = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        to += '\\';
        to += c;
      } else if (octet >= 0x20 && octet != 0x7f) {
        to += c;
      } else {
        fmt::format_to(std::back_inserter(to), "\\x{:02x}", octet);
      }
    }
    to += '"';
  }
  void operator()(const ByteArray& value) const {
    fmt::format_to(std::back_inserter(to), "({} bytes)", value.bytes.size());
  }
  void operator()(const Timestamp& value) const { fmt::format_to(std::back_inserter(to), "@{}", value.seconds); }
  void operator()(const FieldArray& value) const {
    to += '[';
    const char* separator = "";
    for (const FieldValue& element : value) {
      to += separator;
      std::visit(Printer{to}, element.value);
      separator = ", ";
    }
    to += ']';
  }
  void operator()(const Table& value) const { print(to, value); }
  template <std::integral T>
  void operator()(T value) const {
    fmt::format_to(std::back_inserter(to), "{}", static_cast<std::int64_t>(value));
  }
};

void print(std::string& to, const Table& table) {
  to += '{';
  const char* separator = "";
  for (const auto& [name, value] : table.entries()) {
    to += separator;
    to += name;
    to += ": ";
    std::visit(Printer{to}, value.value);
    separator = ", ";
  }
  to += '}';
}

}  // namespace

std::string to_string(const Table& table) {
  std::string text;
  print(text, table);
  return text;
}

std::string to_string(const FieldValue& value) {
  std::string text;
  std::visit(Printer{text}, value.value);
  return text;
}

}  // namespace wherry::amqp

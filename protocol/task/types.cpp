#include "protocol/task/types.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "base/iso8601.h"

namespace wherry::task {

namespace {

constexpr std::size_t uuid_digits = 32;
constexpr std::size_t longest_decimal = 1'000;

Value form(std::string_view type, Value value) {
  return Value::Map{{"__type__", type}, {"__value__", std::move(value)}};
}

tl::unexpected<Error> no(std::string_view what, const Value& got) {
  return fail("expected " + std::string(what) + ", got " + describe(got));
}

// The string that stands for it: as decoders give it, or inside of the form.
std::optional<std::string> spelled(const Value& value) {
  if (const auto* text = value.get<std::string>()) return *text;
  Value made;
  const auto* map = value.get<Value::Map>();
  const Value* plain = map == nullptr ? nullptr : plain_form(*map, made);
  const auto* text = plain == nullptr ? nullptr : plain->get<std::string>();
  return text == nullptr ? std::nullopt : std::optional(*text);
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// From 32 hexadecimal digits, with or without dashes.
std::optional<std::string> dashed_uuid(std::string text) {
  std::erase(text, '-');
  if (text.size() != uuid_digits || !std::all_of(text.begin(), text.end(), is_hex)) return std::nullopt;
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
  for (std::size_t at : {8, 13, 18, 23}) text.insert(at, 1, '-');
  return text;
}

// Exactly `size` digits at the front of text, taken off.
std::optional<unsigned> digits(std::string_view& text, std::size_t size) {
  unsigned number = 0;
  if (text.size() < size || !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), is_digit)) {
    return std::nullopt;
  }
  std::from_chars(text.data(), text.data() + size, number);
  text.remove_prefix(size);
  return number;
}
bool skip(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::chrono::microseconds> read_time_of_day(std::string_view text) {
  using namespace std::chrono;
  const auto hour = digits(text, 2);
  if (!hour || !skip(text, ':')) return std::nullopt;
  const auto minute = digits(text, 2);
  if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
  microseconds time = hours(*hour) + minutes(*minute);
  if (text.empty()) return time;
  if (!skip(text, ':')) return std::nullopt;
  const auto second = digits(text, 2);
  if (!second || *second > 59) return std::nullopt;
  time += seconds(*second);
  if (text.empty()) return time;
  if (!skip(text, '.') || text.empty() || text.size() > 6) return std::nullopt;
  std::string micros(text);
  micros.resize(6, '0');
  std::string_view all(micros);
  const auto fraction = digits(all, 6);
  if (!fraction) return std::nullopt;
  return time + microseconds(*fraction);
}

// Python's Decimal of a finite number: sign, digits with a point, exponent.
bool is_decimal(std::string_view text) {
  if (text.size() > longest_decimal) return false;
  if (!skip(text, '-')) skip(text, '+');
  std::size_t count = 0;
  auto run = [&] {
    for (; !text.empty() && is_digit(text.front()); ++count) text.remove_prefix(1);
  };
  run();
  if (skip(text, '.')) run();
  if (count == 0) return false;
  if (text.empty()) return true;
  if (!skip(text, 'E') && !skip(text, 'e')) return false;
  if (!skip(text, '-')) skip(text, '+');
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

}  // namespace

const Value* plain_form(const Value::Map& map, Value& made) {
  if (map.size() != 2) return nullptr;
  const Value* type = find(map, "__type__");
  const Value* value = find(map, "__value__");
  const auto* name = type == nullptr ? nullptr : type->get<std::string>();
  if (name == nullptr || value == nullptr) return nullptr;
  if (*name == "uuid") {
    const Value* hex = value->find("hex");
    const auto* text = hex == nullptr ? value->get<std::string>() : hex->get<std::string>();
    const auto uuid = text == nullptr ? std::nullopt : dashed_uuid(*text);
    if (!uuid) return nullptr;
    made = *uuid;
    return &made;
  }
  const bool known = *name == "datetime" || *name == "date" || *name == "time" || *name == "decimal";
  return known && value->get<std::string>() != nullptr ? value : nullptr;
}

Value DateTime::to_value() const {
  return form("datetime", format_iso8601(at));
}
Result<DateTime> DateTime::from_value(const Value& value) {
  if (const auto text = spelled(value)) {
    if (auto time = parse_iso8601(*text)) return DateTime{*time};
  }
  return no("a date and time", value);
}

Value Date::to_value() const {
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                static_cast<unsigned>(day.day()));
  return form("date", text);
}
Result<Date> Date::from_value(const Value& value) {
  using namespace std::chrono;
  if (const auto text = spelled(value)) {
    std::string_view rest(*text);
    const auto y = digits(rest, 4);
    const bool first = skip(rest, '-');
    const auto m = digits(rest, 2);
    const bool second = skip(rest, '-');
    const auto d = digits(rest, 2);
    // kombu before 5.3 sends a date as midnight of that day.
    const bool whole = rest.empty() || rest == "T00:00:00";
    if (y && first && m && second && d && whole) {
      const year_month_day date{year(static_cast<int>(*y)), month(*m), std::chrono::day(*d)};
      if (date.ok()) return Date{date};
    }
  }
  return no("a date", value);
}

Value TimeOfDay::to_value() const {
  using namespace std::chrono;
  const hh_mm_ss parts(since_midnight);
  char text[32];
  const auto micros = static_cast<long>(parts.subseconds().count());
  const int size = std::snprintf(text, sizeof text, "%02d:%02d:%02d", static_cast<int>(parts.hours().count()),
                                 static_cast<int>(parts.minutes().count()), static_cast<int>(parts.seconds().count()));
  if (micros != 0) std::snprintf(text + size, sizeof text - static_cast<std::size_t>(size), ".%06ld", micros);
  return form("time", text);
}
Result<TimeOfDay> TimeOfDay::from_value(const Value& value) {
  if (const auto text = spelled(value)) {
    if (const auto time = read_time_of_day(*text)) return TimeOfDay{*time};
  }
  return no("a time of day", value);
}

Value Uuid::to_value() const {
  std::string hex = text;
  std::erase(hex, '-');
  return form("uuid", Value::Map{{"hex", hex}});
}
Result<Uuid> Uuid::from_value(const Value& value) {
  if (const auto text = spelled(value)) {
    if (auto uuid = dashed_uuid(*text)) return Uuid{*uuid};
  }
  return no("a UUID", value);
}

Value Decimal::to_value() const {
  return form("decimal", text);
}
Result<Decimal> Decimal::from_value(const Value& value) {
  if (const auto text = spelled(value)) {
    if (is_decimal(*text)) return Decimal{*text};
  }
  // A whole number is exact in any serializer; one with a fraction may have lost digits already.
  if (const auto* whole = value.get<std::int64_t>()) return Decimal{std::to_string(*whole)};
  return no("a decimal number as a string", value);
}

}  // namespace wherry::task

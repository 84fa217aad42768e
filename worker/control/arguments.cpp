#include "worker/control/arguments.h"

#include <charconv>

#include <fmt/format.h>

namespace wherry::worker {

namespace {

std::optional<double> as_number(const task::Value& value) {
  if (const auto* whole = value.get<std::int64_t>()) return static_cast<double>(*whole);
  if (const auto* real = value.get<double>()) return *real;
  if (const auto* text = value.get<std::string>()) {
    double number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error == std::errc() && end == text->data() + text->size()) return number;
  }
  return {};
}

}  // namespace

std::string text_argument(const task::Value::Map& arguments, std::string_view name) {
  const task::Value* value = find(arguments, name);
  if (value == nullptr) return {};
  if (const auto* text = value->get<std::string>()) return *text;
  if (const auto number = as_number(*value)) return fmt::format("{}", *number);
  return {};
}

bool flag_argument(const task::Value::Map& arguments, std::string_view name) {
  const task::Value* value = find(arguments, name);
  if (value == nullptr) return false;
  if (const auto* flag = value->get<bool>()) return *flag;
  return as_number(*value).value_or(0) != 0;
}

std::vector<std::string> texts_argument(const task::Value::Map& arguments, std::string_view name) {
  std::vector<std::string> texts;
  const task::Value* value = find(arguments, name);
  if (value == nullptr) return texts;
  if (const auto* text = value->get<std::string>()) texts.push_back(*text);
  if (const auto* array = value->get<task::Value::Array>()) {
    for (const task::Value& each : *array) {
      if (const auto* text = each.get<std::string>()) texts.push_back(*text);
    }
  }
  return texts;
}

Result<std::optional<unsigned>> count_argument(const task::Value::Map& arguments, std::string_view name,
                                               unsigned most) {
  const task::Value* value = find(arguments, name);
  if (value == nullptr || value->is_null()) return std::optional<unsigned>();
  const auto number = as_number(*value);
  if (!number || !(*number >= 0) || *number > most) {
    return fail(fmt::format("'{}' must be a number from 0 to {}, got {}", name, most, task::describe(*value)));
  }
  return std::optional(static_cast<unsigned>(*number));
}

Result<std::optional<std::chrono::milliseconds>> seconds_argument(const task::Value::Map& arguments,
                                                                  std::string_view name) {
  const task::Value* value = find(arguments, name);
  if (value == nullptr || value->is_null()) return std::optional<std::chrono::milliseconds>();
  constexpr double most = 365.0 * 24 * 3600;
  const auto number = as_number(*value);
  if (!number || !(*number > 0) || *number > most) {
    return fail(fmt::format("'{}' must be a number of seconds, got {}", name, task::describe(*value)));
  }
  return std::optional(std::chrono::milliseconds(static_cast<std::int64_t>(*number * 1000)));
}

}  // namespace wherry::worker

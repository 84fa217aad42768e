#include "protocol/task/signature_options.h"

#include <algorithm>
#include <utility>

namespace wherry::task {

const Value* option(const Value::Map& options, std::string_view name) {
  const Value* value = find(options, name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string text_option(const Value::Map& options, std::string_view name) {
  const Value* value = option(options, name);
  const auto* text = value == nullptr ? nullptr : value->get<std::string>();
  return text == nullptr ? std::string() : *text;
}

void drop(Value::Map& options, std::string_view name) {
  std::erase_if(options, [&](const auto& each) { return each.first == name; });
}

void set_default(Value::Map& options, std::string_view name, Value value) {
  if (option(options, name) == nullptr) set(options, name, std::move(value));
}

Value::Array as_list(const Value* value) {
  if (value == nullptr || value->is_null()) return {};
  const auto* list = value->get<Value::Array>();
  return list != nullptr ? *list : Value::Array{*value};
}

void extend(Value::Map& options, std::string_view name, const Value* more) {
  if (more == nullptr || more->is_null()) return;
  Value::Array list = as_list(find(options, name));
  for (Value& each : as_list(more)) {
    if (std::find(list.begin(), list.end(), each) == list.end()) list.push_back(std::move(each));
  }
  set(options, name, std::move(list));
}

}  // namespace wherry::task

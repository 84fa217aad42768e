// Reading the arguments of a command: by name, with the types that Celery's programs send. Numbers come as text too.
//
// Threads: no state.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/task/value.h"

namespace wherry::worker {

std::string text_argument(const task::Value::Map& arguments, std::string_view name);  // Empty: not given.
bool flag_argument(const task::Value::Map& arguments, std::string_view name);
std::vector<std::string> texts_argument(const task::Value::Map& arguments, std::string_view name);  // One or several.
// Errors: given, but no number from 0 to most.
Result<std::optional<unsigned>> count_argument(const task::Value::Map& arguments, std::string_view name, unsigned most);
// In seconds. Errors: given, but no positive number.
Result<std::optional<std::chrono::milliseconds>> seconds_argument(const task::Value::Map& arguments,
                                                                  std::string_view name);

}  // namespace wherry::worker

// The options of a signature, as its map has them: an option that is null is none.
//
// Threads: plain functions. Lifetime: what is found lives in the map.
#pragma once

#include <string>
#include <string_view>

#include "protocol/task/value.h"

namespace wherry::task {

const Value* option(const Value::Map& options, std::string_view name);
// Empty when it is none, or no text.
std::string text_option(const Value::Map& options, std::string_view name);
void drop(Value::Map& options, std::string_view name);
void set_default(Value::Map& options, std::string_view name, Value value);

// What may be one value, a list or null, as a list.
Value::Array as_list(const Value* value);
// Adds to such a list what it does not have.
void extend(Value::Map& options, std::string_view name, const Value* more);

}  // namespace wherry::task

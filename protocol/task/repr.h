// A Value as Python prints it, for the argsrepr and kwargsrepr headers: what logs, events and Flower show.
//
// Limits: at most `most` bytes, cut between characters, with "..." at the end when it was cut. Python's repr counts
// characters where this counts bytes.
#pragma once

#include <string>
#include <string_view>

#include "protocol/task/value.h"

namespace wherry::task {

inline constexpr std::size_t max_repr = 1024;

std::string repr(const Value& value, std::size_t most = max_repr);  // (1, 'a') prints as [1, 'a'].
std::string args_repr(const Value::Array& args);                    // As a tuple: (1, 'a'), (1,), ().
std::string kwargs_repr(const Value::Map& kwargs);                  // {'to': 'a'}

// The longest beginning of at most `most` bytes that does not end within a UTF-8 character.
std::string_view cut_utf8(std::string_view text, std::size_t most);

}  // namespace wherry::task

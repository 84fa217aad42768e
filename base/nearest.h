// "Did you mean ...?": the candidate that a mistyped word was most likely meant to be.
//
// Counts letters put in, left out, replaced or swapped with their neighbour; case and '-' against '_' cost nothing.
// None is near enough when more than a third of the word (at least one letter) would have to change. Threads: plain
// functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wherry {

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace wherry

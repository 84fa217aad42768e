// Percent-encoding, as URLs write what has a meaning of its own in them: "p%40ss" is "p@ss".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wherry {

// Nothing when a '%' has not two hex digits behind it.
std::optional<std::string> percent_decoded(std::string_view text);
// Letters, digits and -_.~ stand for themselves.
std::string percent_encoded(std::string_view text);

}  // namespace wherry

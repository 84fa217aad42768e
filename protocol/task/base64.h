// Base64 with + / and padding (RFC 4648 section 4), as Python's b64encode writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wherry::task {

std::string encode_base64(std::string_view bytes);
// Whole groups of four only; nullopt for anything else.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace wherry::task

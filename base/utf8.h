// Whether bytes are text in UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. Source: RFC 3629. Threads:
// plain functions.
#pragma once

#include <cstddef>
#include <string_view>

namespace wherry {

// The offset of the first byte that is not UTF-8; npos when all is.
std::size_t find_bad_utf8(std::string_view text);
inline bool is_utf8(std::string_view text) {
  return find_bad_utf8(text) == std::string_view::npos;
}

}  // namespace wherry

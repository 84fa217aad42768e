#include "base/utf8.h"

namespace wherry {

std::size_t find_bad_utf8(std::string_view text) {
  const auto* begin = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = begin + text.size();
  for (const auto* at = begin; at != end;) {
    const std::size_t start = static_cast<std::size_t>(at - begin);
    const unsigned lead = *at++;
    if (lead < 0x80) continue;
    unsigned follow = 0, least = 0, code = 0;
    if (lead >= 0xC2 && lead <= 0xDF) {
      follow = 1, least = 0x80, code = lead & 0x1F;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      follow = 2, least = 0x800, code = lead & 0x0F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      follow = 3, least = 0x10000, code = lead & 0x07;
    } else {
      return start;
    }
    if (static_cast<std::size_t>(end - at) < follow) return start;
    for (; follow > 0; --follow) {
      if ((*at & 0xC0) != 0x80) return start;
      code = code << 6 | (*at++ & 0x3F);
    }
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return start;
  }
  return std::string_view::npos;
}

}  // namespace wherry

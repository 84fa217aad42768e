// The words of a topic exchange's keys and patterns: what stands between the dots.
#pragma once

#include <string_view>

namespace wherry::broker {

// Calls visit with each word. An empty key has no words at all; "a." has two, the second one empty.
template <class Visit>
void each_word(std::string_view key, Visit&& visit) {
  if (key.empty()) return;
  for (;;) {
    const std::size_t dot = key.find('.');
    visit(key.substr(0, dot));
    if (dot == std::string_view::npos) return;
    key.remove_prefix(dot + 1);
  }
}

// Whether the pattern matches more than the key that is written like it.
inline bool has_wildcard(std::string_view pattern) {
  bool found = false;
  each_word(pattern, [&](std::string_view word) { found = found || word == "*" || word == "#"; });
  return found;
}

}  // namespace wherry::broker

#include "base/glob.h"

namespace wherry {

namespace {

// One set "[...]" against one byte. Moves `at` behind the set; false in `closed` when it has no end.
bool in_set(std::string_view pattern, std::size_t& at, char c, bool& closed) {
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && pattern[i] == '!';
  if (negated) ++i;
  const std::size_t first = i;
  // A ] that comes first belongs to the set.
  const std::size_t stop = pattern.find(']', first + 1);
  closed = first < pattern.size() && stop != pattern.npos;
  if (!closed) return false;
  const auto byte = static_cast<unsigned char>(c);
  bool found = false;
  while (i < stop) {
    const auto low = static_cast<unsigned char>(pattern[i]);
    if (i + 2 < stop && pattern[i + 1] == '-') {
      found = found || (low <= byte && byte <= static_cast<unsigned char>(pattern[i + 2]));
      i += 3;
    } else {
      found = found || low == byte;
      ++i;
    }
  }
  at = stop + 1;
  return found != negated;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  // Only the last * can need another try: what an earlier one took was enough to reach it.
  std::size_t star = pattern.npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    bool fits = false;
    std::size_t next = p + 1;
    if (p < pattern.size()) {
      if (pattern[p] == '*') {
        star = p++;
        star_text = t;
        continue;
      }
      if (pattern[p] == '[') {
        bool closed = false;
        std::size_t behind = p;
        const bool in = in_set(pattern, behind, text[t], closed);
        fits = closed ? in : text[t] == '[';
        if (closed) next = behind;
      } else {
        fits = pattern[p] == '?' || pattern[p] == text[t];
      }
    }
    if (fits) {
      p = next;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace wherry

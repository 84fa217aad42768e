// Shell patterns over task names, as Celery's routes use them (Python's fnmatch): "email.*", "report.?", "[a-m]*".
//
// * any text, also with dots; ? one byte; [abc], [a-z] one of; [!abc] none of. A [ without its ] stands for itself.
// Case matters. Takes at most text x pattern steps, whatever the pattern. Threads: a plain function.
#pragma once

#include <string_view>
#include <vector>

namespace wherry {

bool glob_match(std::string_view pattern, std::string_view text);

// Of entries with a pattern each: the one whose pattern is this very name, else the first that fits, else null. How
// routes, retries and limits are found.
template <class Entry>
const Entry* find_fitting(const std::vector<Entry>& all, std::string_view name) {
  for (const Entry& each : all) {
    if (each.pattern == name) return &each;
  }
  for (const Entry& each : all) {
    if (glob_match(each.pattern, name)) return &each;
  }
  return nullptr;
}

}  // namespace wherry

// Shell patterns over task names, as Celery's routes use them (Python's fnmatch): "email.*", "report.?", "[a-m]*".
//
// * any text, also with dots; ? one byte; [abc], [a-z] one of; [!abc] none of. A [ without its ] stands for itself.
// Case matters. Takes at most text x pattern steps, whatever the pattern. Threads: a plain function.
#pragma once

#include <string_view>

namespace wherry {

bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace wherry

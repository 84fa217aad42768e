// Rates as Celery writes its rate_limit: how many tasks of a name may begin, of each worker by itself.
//
// Threads: a plain function.
#pragma once

#include <string_view>

#include "base/result.h"

namespace wherry {

// "10", "10/s", "10/m", "10/h"; "0.5/s". In tasks a second; 0: no limit (empty, "0", "none"). Errors: one sentence.
Result<double> parse_rate(std::string_view text);

}  // namespace wherry

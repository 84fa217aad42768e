// The settings that a broker would run with, for --print-effective.
//
// Threads: a plain function.
#pragma once

#include <string>

#include "base/result.h"
#include "broker/server/options.h"

namespace wherry::broker {

// As YAML, with where each value is from; passwords are hidden. Errors: as make_plan().
Result<std::string> effective_settings(const Options& options);

}  // namespace wherry::broker

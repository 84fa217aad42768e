// Task libraries: loaded, asked for their tasks, and kept until the process ends (their functions are in use till
// then).
#pragma once

#include <string>

#include "base/result.h"
#include "wherry/registry.h"

namespace wherry::worker {

// Errors: the library cannot be loaded (the loader's own words), defines no WHERRY_TASKS, or what its registration
// threw.
Result<void> load_library(const std::string& path, Registry& registry);

}  // namespace wherry::worker

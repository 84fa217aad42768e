// Time comes in from outside: whatever waits or stamps takes the time as a value or asks a Clock, so that a test
// decides what time it is.
#pragma once

#include <chrono>

namespace wherry {

using Monotonic = std::chrono::steady_clock::time_point;  // For deadlines and durations.
using WallTime = std::chrono::system_clock::time_point;   // For what people and headers read.

}  // namespace wherry

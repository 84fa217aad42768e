// Time comes in from outside: whatever waits or stamps takes the time as a value or asks a Clock, so that a test
// decides what time it is.
#pragma once

#include <chrono>

namespace wherry {

using Monotonic = std::chrono::steady_clock::time_point;  // For deadlines and durations.
using WallTime = std::chrono::system_clock::time_point;   // For what people and headers read.

// How long it is from now (after 1970) until a time: never negative, rounded up to the next millisecond. Also for the
// ends of the clock's range, which is what an absurd date in a message becomes: subtracting them would overflow.
inline std::chrono::milliseconds until(WallTime at, WallTime now) {
  if (at <= now) return std::chrono::milliseconds(0);
  return std::chrono::ceil<std::chrono::milliseconds>(at - now);
}

}  // namespace wherry

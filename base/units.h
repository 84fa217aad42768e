// Durations and sizes as people write them: "30s", "1m30s", "250ms", "2h", "64MiB".
//
// Durations: parts of a number and one of ms, s, m, h, d, each once, largest first; a number alone means seconds. A
// part may have a fraction ("1.5s"); what is finer than a millisecond is an error. Sizes: a number and one of B, kB,
// MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024), in any case; a number alone means bytes. Neither
// may be negative. Errors say what is expected. Threads: plain functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry {

Result<std::chrono::milliseconds> parse_duration(std::string_view text);
Result<std::uint64_t> parse_size(std::string_view text);

// The shortest spelling that parse_duration reads back: "1m30s", "250ms", "0s". Precondition: not negative.
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace wherry

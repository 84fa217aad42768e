// Backoff: how long to wait before the next attempt to connect. Exponential with full jitter, so that a thousand
// clients of a broker that restarts do not come back in step.
//
// Threads: one at a time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>

namespace wherry::sdk {

class Backoff {
 public:
  // random: uniform in [0, 1).
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most, std::function<double()> random)
      : first_(first), most_(most), random_(std::move(random)) {}

  // Uniform between zero and min(most, first * 2^n), n counting the calls since reset().
  std::chrono::milliseconds next() {
    const std::int64_t bound = std::min<std::int64_t>(most_.count(), first_.count() << std::min(round_, 20u));
    ++round_;
    return std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(bound) * random_()));
  }
  void reset() { round_ = 0; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds most_;
  std::function<double()> random_;
  unsigned round_ = 0;
};

}  // namespace wherry::sdk

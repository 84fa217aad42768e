// How long a failed task waits for its next attempt: exponential, capped, with full jitter, as Celery's retry_backoff.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace wherry::task {

struct Backoff {
  std::chrono::milliseconds base{1'000};
  double factor = 2.0;
  std::chrono::milliseconds cap{600'000};
  bool jitter = true;  // Full: anything from nothing to the delay, so that tasks that failed together do not come so.
};

// min(cap, base * factor^retries), retries counting the attempts that failed before this one. random: uniform in
// [0, 1), asked only when there is jitter.
std::chrono::milliseconds retry_delay(const Backoff& backoff, std::uint32_t retries,
                                      const std::function<double()>& random);

}  // namespace wherry::task

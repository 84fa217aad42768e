#include "protocol/task/backoff.h"

#include <algorithm>
#include <cmath>

namespace wherry::task {

std::chrono::milliseconds retry_delay(const Backoff& backoff, std::uint32_t retries,
                                      const std::function<double()>& random) {
  const auto cap = static_cast<double>(backoff.cap.count());
  double delay = static_cast<double>(backoff.base.count()) * std::pow(backoff.factor, retries);
  // Not a number when a base of zero meets an infinite power.
  if (!(delay >= 0)) delay = 0;
  delay = std::min(delay, cap);
  if (backoff.jitter) delay *= random();
  return std::chrono::milliseconds(std::llround(delay));
}

}  // namespace wherry::task

// Autoscaler: how many slots there should be between two bounds, by how many tasks there are for them. Celery's rule:
// up at once, down one look at a time, and not within keepalive of the last time up.
//
// Threads: plain data. It decides; who asks it resizes.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace wherry::worker {

class Autoscaler {
 public:
  static constexpr std::chrono::seconds keepalive{30};
  static constexpr std::chrono::seconds look_every{1};

  Autoscaler(unsigned min, unsigned max) : min_(std::max(1u, std::min(min, max))), max_(std::max(1u, max)) {}

  unsigned min() const { return min_; }
  unsigned max() const { return max_; }

  // tasks: running or waiting for a slot.
  unsigned wanted(unsigned slots, std::size_t tasks, Monotonic now) {
    const auto most = static_cast<unsigned>(std::min<std::size_t>(tasks, max_));
    if (most > slots || slots < min_) {
      grown_at_ = now;
      return std::max(most, min_);
    }
    const unsigned fewest = std::max(most, min_);
    if (slots > max_) return max_;
    if (slots > fewest && now - grown_at_ > keepalive) return fewest;
    return slots;
  }

 private:
  unsigned min_;
  unsigned max_;
  Monotonic grown_at_{};
};

}  // namespace wherry::worker

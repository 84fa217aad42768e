// Clock: Celery's logical (Lamport) clock. Every event and every answer of a worker carries its value, so that who
// hears several workers can put what they say in order, whatever their machines' clocks show.
//
// Threads: one at a time; the worker's loop.
#pragma once

#include <algorithm>
#include <cstdint>

namespace wherry::worker {

class Clock {
 public:
  std::int64_t value() const { return value_; }
  // For something that is sent.
  std::int64_t forward() { return ++value_; }
  // For something that was received with that value.
  void adjust(std::int64_t other) { value_ = std::max(value_, other) + 1; }

 private:
  std::int64_t value_ = 0;
};

}  // namespace wherry::worker

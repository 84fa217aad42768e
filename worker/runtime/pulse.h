// Pulse: whether tasks get taken. They do not when one has waited for a slot for a whole while although one was free:
// nobody takes it, and it will wait for ever. Tasks that run for long, and those behind them, are no such sign. Pure.
//
// Threads: one at a time.
#pragma once

#include <map>
#include <vector>

#include "base/clock.h"
#include "worker/runtime/attempt.h"

namespace wherry::worker {

class Pulse {
 public:
  // Called now and then, with what waits. False: it has stopped, for something has waited at each look of so long.
  bool look(const std::vector<AttemptRef>& waiting, bool slot_is_free, Monotonic now, Monotonic::duration patience) {
    std::map<AttemptRef, Monotonic> still;
    bool beats = true;
    for (const AttemptRef& each : waiting) {
      if (!slot_is_free) break;
      const auto before = since_.find(each);
      const Monotonic since = before == since_.end() ? now : before->second;
      if (now - since >= patience) beats = false;
      still.emplace(each, since);
    }
    since_ = std::move(still);
    return beats;
  }

 private:
  std::map<AttemptRef, Monotonic>
      since_;  // Waiting while a slot was free; holds them, so that none takes another's place.
};

}  // namespace wherry::worker

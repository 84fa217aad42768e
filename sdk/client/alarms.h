// Alarms: many one-shot deadlines on one timer of a loop.
//
// Threads: set and cancel from any thread; an alarm rings on the loop's thread. Lifetime: alarms that are left ring no
// more once the object is gone; destroy it when the loop does not run any more, or on its thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/clock.h"
#include "net/event_loop.h"

namespace wherry::sdk {

class Alarms {
 public:
  explicit Alarms(net::EventLoop& loop);
  ~Alarms();

  std::uint64_t set(Monotonic when, std::function<void()> ring);
  void cancel(std::uint64_t alarm);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace wherry::sdk

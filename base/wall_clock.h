// What time of day it is for all of Wherry in this process: the system's time, unless a test has taken the clock over.
//
//   task.eta = wall_now() + 10min;
//
//   SetWallClock clock(wall_now());      // stands still from here on
//   clock.advance(10min);
//
// What waits for a time of day (a message's delay, an eta) waits for this clock, through net::WallTimer; deadlines and
// heartbeats are steady time and never stand still.
//
// Threads: any. Lifetime: at most one SetWallClock at a time (std::logic_error); when it goes the system's time is
// back.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/clock.h"

namespace wherry {

WallTime wall_now();
// A test has the clock: it moves only when told.
bool wall_clock_is_set();

class SetWallClock {
 public:
  explicit SetWallClock(WallTime now);
  ~SetWallClock();
  SetWallClock(const SetWallClock&) = delete;
  SetWallClock& operator=(const SetWallClock&) = delete;

  WallTime now() const { return wall_now(); }
  // Forward only. Returns when everybody who listens has been called.
  void advance(std::chrono::nanoseconds by);
};

// Calls moved whenever the clock was taken over, moved or given back, on the thread that did so; until destruction,
// which waits for a call under way. It must not make or destroy a listener.
class WallClockListener {
 public:
  explicit WallClockListener(std::function<void()> moved);
  ~WallClockListener();
  WallClockListener(const WallClockListener&) = delete;
  WallClockListener& operator=(const WallClockListener&) = delete;

 private:
  const std::function<void()> moved_;
};

}  // namespace wherry

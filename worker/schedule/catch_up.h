// What is due now, after a while in which nobody may have looked: docs/schedules.md, "What is due when nobody was
// there". Pure. Threads: plain data and functions.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "worker/schedule/timetable.h"

namespace wherry::schedule {

struct CatchUp {
  enum class Policy { skip, last, all } policy = Policy::last;
  std::size_t limit = 100;         // Policy all: so many missed ticks, the newest.
  std::chrono::seconds grace{60};  // A tick is missed when it is later than this.
};

struct Due {
  std::vector<WallTime> ticks = {};  // To be enqueued, oldest first.
  // The newest of the ticks that are left out; none when nothing is. All are before the first of ticks.
  std::optional<WallTime> dropped = {};
};

// until: what was due up to then was seen to. Takes a time that grows with limit, not with how long ago that is.
Due due_ticks(const Timetable& timetable, WallTime until, WallTime now, const CatchUp& how);

}  // namespace wherry::schedule

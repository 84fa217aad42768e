#include "worker/schedule/catch_up.h"

#include <algorithm>

namespace wherry::schedule {

namespace {

// The ticks after begin, up to end and with it.
std::vector<WallTime> ticks_between(const Timetable& timetable, WallTime begin, WallTime end) {
  std::vector<WallTime> out;
  for (auto tick = timetable.next(begin); tick && *tick <= end; tick = timetable.next(*tick)) out.push_back(*tick);
  return out;
}

// The newest so many ticks after begin, up to end: looked for in a stretch before the end that doubles.
std::vector<WallTime> newest_ticks(const Timetable& timetable, WallTime begin, WallTime end, std::size_t count) {
  for (std::chrono::seconds stretch(60);; stretch *= 2) {
    const bool all = stretch >= end - begin;
    std::vector<WallTime> found = ticks_between(timetable, all ? begin : end - stretch, end);
    if (found.size() > count) found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(count));
    if (all || found.size() == count) return found;
  }
}

}  // namespace

Due due_ticks(const Timetable& timetable, WallTime until, WallTime now, const CatchUp& how) {
  Due due;
  const WallTime in_time = now - how.grace;  // Ticks from here on are not missed.
  // A moment before, so that a tick at in_time itself is among those after it.
  const WallTime recent_begin = std::max(until, in_time - std::chrono::nanoseconds(1));
  due.ticks = ticks_between(timetable, recent_begin, now);
  if (until >= recent_begin) return due;
  std::size_t wanted = 0;
  if (how.policy == CatchUp::Policy::all) wanted = how.limit;
  if (how.policy == CatchUp::Policy::last && due.ticks.empty()) wanted = 1;
  // One more than wanted tells whether any is left out, and which.
  std::vector<WallTime> missed = newest_ticks(timetable, until, recent_begin, wanted + 1);
  if (missed.size() > wanted) {
    due.dropped = missed.front();
    missed.erase(missed.begin());
  }
  due.ticks.insert(due.ticks.begin(), missed.begin(), missed.end());
  return due;
}

}  // namespace wherry::schedule

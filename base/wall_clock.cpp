#include "base/wall_clock.h"

#include <atomic>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>

namespace wherry {

namespace {

constexpr WallTime::rep not_set = std::numeric_limits<WallTime::rep>::min();
std::atomic<WallTime::rep> set_time{not_set};

// Never destroyed: loops may be, as the process ends.
struct Listeners {
  std::mutex mutex;
  std::set<const std::function<void()>*> all;

  void tell() {
    std::lock_guard lock(mutex);
    for (const auto* each : all) (*each)();
  }
};
Listeners& listeners() {
  static auto* one = new Listeners;
  return *one;
}

}  // namespace

WallTime wall_now() {
  const WallTime::rep at = set_time.load(std::memory_order_acquire);
  return at == not_set ? std::chrono::system_clock::now() : WallTime(WallTime::duration(at));
}

bool wall_clock_is_set() {
  return set_time.load(std::memory_order_acquire) != not_set;
}

SetWallClock::SetWallClock(WallTime now) {
  WallTime::rep none = not_set;
  if (!set_time.compare_exchange_strong(none, now.time_since_epoch().count())) {
    throw std::logic_error("the clock of this process is set by hand already: one at a time");
  }
  listeners().tell();
}

SetWallClock::~SetWallClock() {
  set_time = not_set;
  listeners().tell();
}

void SetWallClock::advance(std::chrono::nanoseconds by) {
  if (by.count() < 0) throw std::logic_error("the clock goes forward only");
  set_time += std::chrono::duration_cast<WallTime::duration>(by).count();
  listeners().tell();
}

WallClockListener::WallClockListener(std::function<void()> moved) : moved_(std::move(moved)) {
  std::lock_guard lock(listeners().mutex);
  listeners().all.insert(&moved_);
}

WallClockListener::~WallClockListener() {
  std::lock_guard lock(listeners().mutex);
  listeners().all.erase(&moved_);
}

}  // namespace wherry

// Throttle: tasks of a name no faster than its rate, as Celery's rate_limit has it: of this worker, not of all
// together.
//
// What comes too early waits here, in order, a queue for each name, and keeps its place among the worker's prefetched
// tasks: so a worker whose tasks are all limited takes no more from the broker than it may hold.
//
// Threads: one at a time; the loop's.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "net/event_loop.h"
#include "worker/runtime/attempt.h"

namespace wherry::worker {

class Throttle {
 public:
  // release: what may run now. Not called from inside add() when it comes at once; add() then returns false.
  Throttle(net::EventLoop& loop, std::function<void(const AttemptRef&)> release);

  // 0 takes the limit away; what waited is released.
  void set_rate(const std::string& name, double per_second);
  // Whether it has to wait, and now does.
  bool add(const AttemptRef& attempt);

  void each(const std::function<void(const AttemptRef&)>& visit) const;
  std::size_t waiting() const;
  // Forgets those that gone() names; says how many.
  std::size_t forget(const std::function<bool(const AttemptRef&)>& gone);

 private:
  struct Bucket {
    std::chrono::duration<double> every{0};
    Monotonic free_at{};  // When the next one may run: a bucket of one token.
    std::deque<AttemptRef> waiting;
  };
  void release_due();
  void arm();

  const std::function<void(const AttemptRef&)> release_;
  net::Timer timer_;
  std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace wherry::worker

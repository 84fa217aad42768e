// Gate: the way from any thread to the runtime's loop. Closed when the runtime goes: what comes later, from a function
// that did not end in time, falls away instead of reaching for what is gone.
//
// Threads: any. Lifetime: shared by all who post; the loop lives until close().
#pragma once

#include <functional>
#include <mutex>

#include "net/event_loop.h"

namespace wherry::worker {

class Gate {
 public:
  explicit Gate(net::EventLoop& loop) : loop_(&loop) {}

  void post(std::function<void()> work) {
    std::lock_guard lock(mutex_);
    if (loop_) loop_->post(std::move(work));
  }
  void close() {
    std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }

 private:
  std::mutex mutex_;
  net::EventLoop* loop_;
};

}  // namespace wherry::worker

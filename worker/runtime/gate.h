// Gate: the way from any thread to the runtime's loop. Closed when the runtime goes: what comes later, from a function
// that did not end in time, falls away instead of reaching for what is gone. What comes while the loop is busy is run
// in one go, with one wake-up.
//
// Threads: any; close() on the loop's, or when it does not run. Lifetime: shared by all who post; the loop lives until
// close().
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "net/event_loop.h"

namespace wherry::worker {

class Gate : public std::enable_shared_from_this<Gate> {
 public:
  explicit Gate(net::EventLoop& loop) : loop_(&loop) {}

  void post(std::function<void()> work) {
    std::lock_guard lock(mutex_);
    if (!loop_) return;
    inbox_.push_back(std::move(work));
    if (inbox_.size() == 1) loop_->post([gate = shared_from_this()] { gate->run(); });
  }
  // Behind all that the loop has been given by now, by this gate and by others.
  void post_behind(std::function<void()> work) {
    std::lock_guard lock(mutex_);
    if (!loop_) return;
    loop_->post([gate = shared_from_this(), work = std::move(work)] {
      if (gate->is_open()) work();
    });
  }
  void close() {
    // Goes outside of the lock: what it holds may have a lot to do then.
    std::vector<std::function<void()>> dropped;
    std::lock_guard lock(mutex_);
    loop_ = nullptr;
    dropped.swap(inbox_);
  }

 private:
  bool is_open() {
    std::lock_guard lock(mutex_);
    return loop_ != nullptr;
  }
  void run() {
    std::vector<std::function<void()>> batch;
    {
      std::lock_guard lock(mutex_);
      batch.swap(inbox_);
      inbox_.reserve(batch.size());
    }
    for (auto& work : batch) work();
  }

  std::mutex mutex_;
  net::EventLoop* loop_;
  std::vector<std::function<void()>> inbox_;
};

}  // namespace wherry::worker

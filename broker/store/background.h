// Background: one job at a time on a thread of its own, for what would block a shard: writing and rewriting segments.
//
//   background.start([&] { result = write_segment(...); }, [&] { adopt(result); });
//
// The job runs on the background's thread; what comes after it is posted to the owner's loop. Threads: start() and the
// destructor on the owner's; without a thread of its own, work() runs the job and what comes after it. Lifetime: the
// destructor waits for the job that runs; what would come after it is dropped.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace wherry::broker {

class Background {
 public:
  // Makes the owner's loop call it soon. Called on the background's thread.
  using Post = std::function<void(std::function<void()>)>;

  Background(bool own_thread, Post post);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  bool busy() const { return busy_; }
  // Precondition: not busy(). It is busy until `then` is called.
  void start(std::function<void()> job, std::function<void()> then);
  // Posts `then` once the time is over; what was asked for before is forgotten. It may be busy, and stays what it is.
  // Without a thread of its own, nothing comes.
  void wake_after(std::chrono::milliseconds time, std::function<void()> then);
  // Without a thread of its own: runs what was started; false when there is nothing.
  bool work();

 private:
  void run();
  std::function<void()> while_alive(std::function<void()> then) const;

  const Post post_;
  bool busy_ = false;  // The owner's.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::mutex mutex_;
  std::condition_variable changed_;
  // Under the mutex.
  std::function<void()> job_;
  std::function<void()> then_;
  std::function<void()> wake_;
  Monotonic wake_at_ = {};
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace wherry::broker

#include "broker/store/background.h"

#include <utility>

#include "base/assert.h"

namespace wherry::broker {

Background::Background(bool own_thread, Post post) : post_(std::move(post)) {
  if (own_thread) thread_ = std::thread([this] { run(); });
}

Background::~Background() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Background::start(std::function<void()> job, std::function<void()> then) {
  WHERRY_ASSERT(!busy_);
  busy_ = true;
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
    then_ = while_alive([this, then = std::move(then)] {
      busy_ = false;
      then();
    });
  }
  changed_.notify_one();
}

void Background::wake_after(std::chrono::milliseconds time, std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    wake_ = while_alive(std::move(then));
    wake_at_ = std::chrono::steady_clock::now() + time;
  }
  changed_.notify_one();
}

// What is posted may be run after the owner has gone.
std::function<void()> Background::while_alive(std::function<void()> then) const {
  return [alive = std::weak_ptr<bool>(alive_), then = std::move(then)] {
    if (!alive.expired()) then();
  };
}

bool Background::work() {
  if (!job_) return false;
  std::exchange(job_, nullptr)();
  std::exchange(then_, nullptr)();
  return true;
}

void Background::run() {
  for (;;) {
    std::function<void()> job;
    std::function<void()> then;
    {
      std::unique_lock lock(mutex_);
      while (!stopping_ && !job_ && !(wake_ && std::chrono::steady_clock::now() >= wake_at_)) {
        if (wake_) {
          changed_.wait_until(lock, wake_at_);
        } else {
          changed_.wait(lock);
        }
      }
      if (stopping_) return;
      job = std::exchange(job_, nullptr);
      then = std::exchange(job ? then_ : wake_, nullptr);
    }
    if (job) job();
    post_(std::move(then));
  }
}

}  // namespace wherry::broker

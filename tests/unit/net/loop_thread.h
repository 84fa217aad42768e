// A loop on a thread of its own for a test, and a way to run something on it and wait for the answer.
#pragma once

#include <future>
#include <thread>

#include "net/event_loop.h"

namespace wherry::test {

class LoopThread {
 public:
  LoopThread() : thread_([this] { loop_.run(); }) {}
  ~LoopThread() {
    loop_.stop();
    thread_.join();
  }
  net::EventLoop& loop() { return loop_; }

  template <class F>
  auto ask(F f) {
    using Answer = decltype(f());
    auto task = std::make_shared<std::packaged_task<Answer()>>(std::move(f));
    auto answer = task->get_future();
    loop_.post([task] { (*task)(); });
    return answer.get();
  }

 private:
  net::EventLoop loop_;
  std::thread thread_;
};

}  // namespace wherry::test

// ThreadExecutor: attempts on a pool of threads. Where coroutines run too: one that waits holds none of them.
//
// A function on a thread cannot be ended from outside: terminate() sets its stop token, and a hard time limit is not
// kept. Threads, lifetime: Executor's.
#pragma once

#include <cstdint>
#include <memory>

#include "net/event_loop.h"
#include "worker/runtime/executor.h"
#include "worker/runtime/pool.h"

namespace wherry::worker {

class ThreadExecutor final : public Executor {
 public:
  ThreadExecutor(net::EventLoop& loop, unsigned threads);

  // Shared with coroutines that are to go on there.
  const std::shared_ptr<Pool>& pool() const { return pool_; }

  void run(Job job) override;
  bool withdraw(const Attempt& attempt) override { return pool_->withdraw(attempt.ticket); }
  void ask_to_stop(const AttemptRef& attempt) override { attempt->request_stop(); }
  void terminate(const AttemptRef& attempt, int) override { attempt->request_stop(); }
  unsigned slots() const override { return pool_->threads(); }
  Result<void> resize(unsigned slots) override { return pool_->resize(slots); }
  Result<void> restart() override;
  task::Value::Map info() const override;
  void stop() override { pool_->stop(); }
  void abandon() override { pool_->abandon(); }

 private:
  net::EventLoop& loop_;
  const std::int64_t pid_;
  const std::shared_ptr<Pool> pool_;
  const std::shared_ptr<bool> waking_ = std::make_shared<bool>(false);  // The pool will be woken in this turn.
};

}  // namespace wherry::worker

// Attempt: one delivery being run: the context that the task's function sees, and what the runtime must know to settle
// it.
//
// Threads: the runtime's loop makes it; the function uses the Context part from any thread; report goes back to the
// loop through what the runtime gave. Lifetime: shared by the runtime and the work under way.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "net/event_loop.h"
#include "protocol/task/envelope.h"
#include "sdk/link/messages.h"
#include "wherry/context.h"
#include "worker/runtime/pool.h"

namespace wherry::worker {

class Attempt final : public Context, public std::enable_shared_from_this<Attempt> {
 public:
  using Report = std::function<void(const Attempt&, task::Value)>;

  Attempt(net::EventLoop& loop, sdk::Delivery delivery, task::Task task, Report report);

  // --- what the function sees ---
  const std::string& id() const override { return task_.id; }
  const std::string& name() const override { return task_.name; }
  std::uint32_t attempt() const override { return task_.retries + 1; }
  const std::string& queue() const override { return delivery_.queue; }
  bool redelivered() const override { return delivery_.redelivered; }
  std::stop_token stop_token() const override { return stop_.get_token(); }
  std::optional<std::chrono::steady_clock::time_point> deadline() const override { return deadline_; }
  Pending<> sleep(std::chrono::milliseconds duration) override;

  // --- for the runtime, on its loop ---
  const sdk::Delivery& delivery() const { return delivery_; }
  const task::Task& task() const { return task_; }
  void request_stop() { stop_.request_stop(); }
  // Starts the soft time limit.
  void limit(std::chrono::milliseconds soft_time_limit);

  Pool::Ticket ticket = 0;
  bool settled = false;  // Withdrawn, or finished: whatever comes later is of no interest.

 private:
  void report(task::Value meta) override;

  net::EventLoop& loop_;
  const sdk::Delivery delivery_;
  const task::Task task_;
  const Report report_;
  std::stop_source stop_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::unique_ptr<net::Timer> limit_timer_;
};
using AttemptRef = std::shared_ptr<Attempt>;

}  // namespace wherry::worker

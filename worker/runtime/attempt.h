// Attempt: one delivery being run: the context that the task's function sees, and what the runtime must know to settle
// it.
//
// Threads: the runtime's loop makes it; the function uses the Context part from any thread; what it says goes to the
// loop through the gate. Lifetime: shared by the runtime and the work under way; may outlive the runtime and the loop,
// and does nothing then.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>

#include "net/event_loop.h"
#include "protocol/task/envelope.h"
#include "sdk/link/messages.h"
#include "wherry/context.h"
#include "worker/runtime/gate.h"
#include "worker/runtime/pool.h"

namespace wherry::worker {

class Executor;

class Attempt final : public Context, public std::enable_shared_from_this<Attempt> {
 public:
  // Of all attempts of a runtime.
  struct Ways {
    net::EventLoop& loop;
    std::shared_ptr<Gate> gate;                                    // To the loop.
    std::function<void(const Attempt&, task::Value)> report = {};  // On the loop, until end().
    std::function<void(std::function<void()>)> resume_on = {};  // Where a coroutine goes on after sleep(). Any thread.
  };
  Attempt(std::shared_ptr<const Ways> ways, sdk::Delivery&& delivery, task::Task&& task);

  // --- what the function sees ---
  const std::string& id() const override { return task_.id; }
  const std::string& name() const override { return task_.name; }
  std::uint32_t attempt() const override { return task_.retries + 1; }
  const std::string& queue() const override { return delivery_.queue; }
  const std::string& root_id() const override { return task_.root_id.empty() ? task_.id : task_.root_id; }
  const std::string& parent_id() const override { return task_.parent_id; }
  std::uint8_t priority() const override { return delivery_.properties.priority.value_or(0); }
  bool redelivered() const override { return delivery_.redelivered; }
  std::stop_token stop_token() const override { return stop_.get_token(); }
  std::optional<std::chrono::steady_clock::time_point> deadline() const override { return deadline_; }
  const Trace& trace() const override { return trace_; }
  Pending<> sleep(std::chrono::milliseconds duration) override;

  // --- for the runtime ---
  const sdk::Delivery& delivery() const { return delivery_; }
  const task::Task& task() const { return task_; }
  // The soft time limit counts from here. On the thread that runs it, before the function is called. pid: of the
  // process that runs it.
  void begin(std::optional<std::chrono::milliseconds> soft_time_limit, std::int64_t pid = 0);
  // When and in which process its function began; nothing before. Any thread.
  std::optional<WallTime> started() const;
  void set_pid(std::int64_t pid) { pid_.store(pid, std::memory_order_relaxed); }
  std::int64_t pid() const { return pid_.load(std::memory_order_relaxed); }
  // What add_to_chord() was given so far, as data. Any thread.
  task::Value::Array take_added();
  // On the loop: sets the stop token, wakes who sleeps.
  void request_stop();
  // On the loop: its function has ended, or nobody waits for it any more. No timer of it is left.
  void end();

  Executor* executor = nullptr;  // That it was given to.
  Pool::Ticket ticket = 0;
  bool settled = false;  // Acknowledged, or given back: what its function says now comes to nothing.
  bool lost = false;     // Its connection is gone: the broker gives the task out again, and there is nothing to settle.

 private:
  struct Sleeper {
    net::Timer timer;
    std::shared_ptr<detail::Shared<void>> waiting;
  };
  void report(task::Value meta) override;
  void add_part(task::Signature part) override;
  void write_log(LogLevel level, std::string_view text) const override;
  void wake(std::uint64_t sleeper);
  void wake_all();

  const std::shared_ptr<const Ways> ways_;
  const sdk::Delivery delivery_;
  const task::Task task_;
  const Trace trace_;
  std::stop_source stop_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::atomic<WallTime::rep> started_{0};
  std::atomic<std::int64_t> pid_{0};
  std::mutex adding_;
  task::Value::Array added_;  // Guarded by adding_.
  // The loop's:
  bool ended_ = false;
  std::unique_ptr<net::Timer> limit_timer_;
  std::map<std::uint64_t, std::unique_ptr<Sleeper>> sleepers_;
  std::uint64_t last_sleeper_ = 0;
};
using AttemptRef = std::shared_ptr<Attempt>;

}  // namespace wherry::worker

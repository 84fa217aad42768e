// Where the runtime's attempts run, and how many are taken from the broker for it.
#include <utility>

#include "base/log.h"
#include "worker/runtime/runtime.h"

namespace wherry::worker {

void Runtime::start_processes() {
  if (config_.fork_server == nullptr) return;
  const WorkerOptions& options = config_.options;
  ProcessExecutor::Config config;
  config.slots = options.concurrency;
  config.prefork = options.pool == Isolate::process;
  config.max_tasks_per_child = options.max_tasks_per_child;
  config.max_memory_per_child = options.max_memory_per_child;
  processes_ = std::make_unique<ProcessExecutor>(loop_, *config_.fork_server, config,
                                                 [this](std::string reason) { refuse(std::move(reason)); });
}

Executor& Runtime::pool() {
  if (config_.options.pool == Isolate::process && processes_) return *processes_;
  return threads_;
}

Executor& Runtime::executor_for(const task::Task& task, const TaskOptions& own) {
  const bool apart = own.isolate.value_or(config_.options.pool) == Isolate::process;
  // A child knows what was registered when it was forked, and nothing else.
  if (apart && processes_ && registry_.find(task.name) != nullptr) return *processes_;
  return threads_;
}

// --- reading ahead ---------------------------------------------------------------------------------------------------

void Runtime::ran(const AttemptRef& attempt, ReadAhead::Duration run) {
  ++ended_;
  if (!config_.read_ahead || attempt->settled) return;
  // What its rate holds back is the broker's to keep, where others may take it.
  if (throttle_.waiting() > 0 ? read_ahead_.stalled() : read_ahead_.ran(run)) set_prefetch();
}

// Looks again and again, as long as something waits for a slot, whether any has become free.
void Runtime::watch_read_ahead() {
  if (!config_.read_ahead || watching_ || stopping_ || running_.size() <= pool().slots()) return;
  watching_ = true;
  stall_timer_.set(ReadAhead::patience, [this, ended = ended_] {
    watching_ = false;
    if (ended == ended_) give_back_read_ahead();
    watch_read_ahead();
  });
}

void Runtime::give_back_read_ahead() {
  std::vector<AttemptRef> waiting;
  for (const AttemptRef& attempt : running_) {
    if (attempt != trial_ && !attempt->started() && attempt->executor->withdraw(*attempt)) waiting.push_back(attempt);
  }
  if (waiting.empty()) return;
  if (read_ahead_.stalled()) set_prefetch();
  log::debug("worker", "{} task(s) that wait behind long ones go back to their queues", waiting.size());
  for (const AttemptRef& attempt : waiting) {
    return_unbegun(attempt->delivery());
    running_.erase(attempt);
  }
}

}  // namespace wherry::worker

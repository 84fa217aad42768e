// The runtime's metrics: what is counted on the way, and how things are at the moment that somebody asks.
#include "worker/runtime/runtime.h"

namespace wherry::worker {

namespace {

// Milliseconds since 1970, as Wherry's clients and RabbitMQ's interceptor write it.
constexpr std::string_view enqueued_header = "timestamp_in_ms";

double seconds(WallTime::duration duration) {
  return std::max(0.0, std::chrono::duration<double>(duration).count());
}

}  // namespace

void Runtime::count_run(const Attempt& attempt) {
  metrics::TaskCounts& counts = tally_->of(attempt.name());
  ++counts.ended;
  const auto began = attempt.started();
  if (!began) return;
  counts.run_time.add(seconds(wall_now() - *began));
  // A retry or an eta waits because it is meant to.
  const task::Task& task = attempt.task();
  if (task.retries > 0 || task.eta || attempt.redelivered()) return;
  std::int64_t enqueued_ms = 0;
  if (!task.headers.integer(enqueued_header, enqueued_ms)) return;
  counts.queue_time.add(seconds(*began - WallTime(std::chrono::milliseconds(enqueued_ms))));
}

void Runtime::write_metrics(metrics::Exposition& text) const {
  text.gauge("wherry_worker_build_info", "1, with the version.");
  text.sample({{"version", WHERRY_VERSION}}, 1);

  std::map<std::string, double, std::less<>> running;
  std::size_t slot = 0, rate = 0, eta = 0;
  if (tally_) {
    tally_->each([&](std::string_view name, const auto&) { running.emplace(name, 0); });
  }
  each_task([&](const Attempt& attempt, Stage stage) {
    if (stage == Stage::active) {
      const auto known = running.find(attempt.name());
      ++(known != running.end() ? known->second : running["other"]);
    }
    eta += stage == Stage::scheduled;
    slot += stage == Stage::reserved;
  });
  rate = throttle_.waiting();
  slot -= rate;

  if (tally_) {
    text.counter("wherry_worker_tasks", "Tasks by name and by what became of them; a retried one is counted again.");
    tally_->each([&](std::string_view name, const metrics::TaskCounts& counts) {
      const auto sample = [&](std::string_view state, double value) {
        text.sample({{"task", name}, {"state", state}}, value);
      };
      sample("received", static_cast<double>(counts.received));
      sample("started", static_cast<double>(counts.ended) + running.find(name)->second);
      sample("succeeded", static_cast<double>(counts.succeeded));
      sample("failed", static_cast<double>(counts.failed));
      sample("retried", static_cast<double>(counts.retried));
      sample("rejected", static_cast<double>(counts.rejected));
      sample("revoked", static_cast<double>(counts.revoked));
      sample("dead", static_cast<double>(counts.dead));
    });
    text.histogram("wherry_worker_task_run_seconds", "How long functions ran, each attempt by itself.");
    tally_->each([&](std::string_view name, const metrics::TaskCounts& counts) {
      text.sample({{"task", name}}, counts.run_time);
    });
    text.histogram("wherry_worker_task_queue_seconds",
                   "From the enqueue to the begin of the first attempt, where the message says when it was enqueued.");
    tally_->each([&](std::string_view name, const metrics::TaskCounts& counts) {
      text.sample({{"task", name}}, counts.queue_time);
    });
  }
  text.gauge("wherry_worker_tasks_running", "Tasks whose function runs now.");
  for (const auto& [name, count] : running) text.sample({{"task", name}}, count);
  text.gauge("wherry_worker_tasks_waiting",
             "Tasks that this worker has and that wait: for a slot, their rate, their eta.");
  text.sample({{"for", "slot"}}, static_cast<double>(slot));
  text.sample({{"for", "rate"}}, static_cast<double>(rate));
  text.sample({{"for", "eta"}}, static_cast<double>(eta));
  text.gauge("wherry_worker_settling", "Results, retries and dead letters that are on their way.");
  text.sample({}, settling_);

  text.gauge("wherry_worker_slots", "Tasks that may run at once.");
  text.sample({}, pool().slots());
  text.gauge("wherry_worker_prefetch", "Tasks that may be taken from the broker at once.");
  text.sample({}, static_cast<double>(prefetch_ + held_.size()));
  const auto processes = processes_ ? processes_->counts() : ProcessExecutor::Counts{};
  text.gauge("wherry_worker_pool_processes", "Processes of the pool.");
  text.sample({}, static_cast<double>(processes.alive));
  text.counter("wherry_worker_pool_processes_started",
               "Processes that were begun, the first ones and those in place of others.");
  text.sample({}, static_cast<double>(processes.started));
  text.counter("wherry_worker_pool_crashes", "Processes that their task took along.");
  text.sample({}, static_cast<double>(processes.crashed));
  text.counter("wherry_worker_pool_timeouts", "Processes that were killed at their task's time limit.");
  text.sample({}, static_cast<double>(processes.timed_out));

  text.gauge("wherry_worker_connected", "1 while there is a connection to the broker.");
  text.sample({}, link_.is_up() ? 1 : 0);
  text.counter("wherry_worker_connections",
               "Connections that were made; all but the first in place of one that broke.");
  text.sample({}, static_cast<double>(link_.generation()));
  text.gauge("wherry_worker_stopping", "1 once it takes no more tasks.");
  text.sample({}, stopping_ ? 1 : 0);
}

std::optional<std::string> Runtime::not_ready() const {
  if (stopping_) return "stopping";
  if (!link_.is_up()) return "no connection to the broker";
  if (!subscribed_ || (control_ && !control_->mingled())) return "not taking tasks yet";
  return std::nullopt;
}

}  // namespace wherry::worker

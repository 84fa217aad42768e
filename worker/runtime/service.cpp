// What a service manager and an operator ask of the runtime: whether it lives, new settings, the end at once.
#include <algorithm>
#include <csignal>
#include <utility>

#include "base/glob.h"
#include "base/log.h"
#include "worker/runtime/runtime.h"

namespace wherry::worker {

namespace {

// As find_fitting() wants them.
struct Limits {
  std::string pattern;
  const TaskLimits* limits;
};

}  // namespace

// --- whether it lives ------------------------------------------------------------------------------------------------

bool Runtime::takes_tasks(Monotonic::duration patience) {
  const auto now = std::chrono::steady_clock::now();
  const auto beats = [&](const Executor* executor, Pulse& pulse) {
    if (executor == nullptr) return true;
    std::vector<AttemptRef> waiting;
    unsigned running = 0;
    for (const AttemptRef& attempt : running_) {
      if (attempt->executor != executor) continue;
      if (attempt->started()) {
        ++running;
      } else {
        waiting.push_back(attempt);
      }
    }
    return pulse.look(waiting, running < executor->slots(), now, patience);
  };
  const bool threads = beats(&threads_, threads_pulse_);
  const bool processes = beats(processes_.get(), processes_pulse_);
  // Before it is known which tasks are revoked none begins; that takes a second.
  early_since_ = early_.empty() ? std::nullopt : std::optional(early_since_.value_or(now));
  const bool known = !early_since_ || now - *early_since_ < patience;
  if (!threads || !processes || !known) {
    log::error("worker", "tasks wait although nothing keeps them from running: {}",
               known ? "no thread or process takes them" : "it is not known which of them are revoked");
  }
  return threads && processes && known;
}

// --- new settings ----------------------------------------------------------------------------------------------------

void Runtime::reload(sdk::Topology topology, sdk::Router router, const WorkerOptions& options) {
  if (stopping_ || over_) return;
  if (topology != config_.topology) {
    config_.topology = topology;
    link_.declare(std::move(topology), [](const sdk::Report& report) {
      if (!report.ok()) log::error("worker", "the broker refused a declaration: {}", report.text);
    });
  }
  continuation_.set_router(std::move(router));
  const WorkerOptions before = config_.options;
  take_reloadable(config_.options, options);
  limit_rates(false);
  reload_pool(before);
}

void Runtime::reload_pool(const WorkerOptions& before) {
  const WorkerOptions& now = config_.options;
  if (processes_) processes_->set_limits(now.max_tasks_per_child, now.max_memory_per_child);
  const bool same_bounds = now.autoscale_max == before.autoscale_max && now.autoscale_min == before.autoscale_min;
  if (same_bounds && now.concurrency == before.concurrency && now.prefetch == before.prefetch) return;
  unsigned slots = now.concurrency;
  autoscaler_.reset();
  scale_timer_.cancel();
  if (now.autoscale_max > 0) {
    autoscaler_.emplace(now.autoscale_min, now.autoscale_max);
    slots = std::clamp(pool().slots(), autoscaler_->min(), autoscaler_->max());
    scale_regularly();
  }
  if (auto resized = resize(slots, now.prefetch); !resized) log::error("worker", "{}", resized.error().message);
}

void Runtime::limit_rates(bool all) {
  std::vector<Limits> patterns;
  for (const TaskLimits& each : config_.options.task_limits) patterns.push_back({each.task, &each});
  configured_limits_.clear();
  for (const std::string& name : registry_.names()) {
    std::string rate = registry_.find(name)->options.rate_limit;
    if (const Limits* found = find_fitting(patterns, name)) {
      configured_limits_.emplace(name, *found->limits);
      rate = found->limits->rate_limit.value_or(rate);
    }
    // What remote control has set since stays until the settings say something else.
    std::string& configured = configured_rates_[name];
    if (!all && configured == rate) continue;
    configured = rate;
    if (auto set = set_rate_limit(name, rate); !set) log::error("worker", "task {}: {}", name, set.error().message);
  }
}

void take_reloadable(WorkerOptions& into, const WorkerOptions& from) {
  into.retry = from.retry;
  into.soft_time_limit = from.soft_time_limit;
  into.time_limit = from.time_limit;
  into.task_limits = from.task_limits;
  into.concurrency = from.concurrency;
  into.prefetch = from.prefetch;
  into.autoscale_max = from.autoscale_max;
  into.autoscale_min = from.autoscale_min;
  into.max_tasks_per_child = from.max_tasks_per_child;
  into.max_memory_per_child = from.max_memory_per_child;
  into.crash_budget = from.crash_budget;
  into.graceful_timeout = from.graceful_timeout;
}

// --- the end at once -------------------------------------------------------------------------------------------------

void Runtime::abandon(std::function<void(bool)> done) {
  if (!stopping_) on_stopped_ = std::move(done);
  stopping_ = true;
  scale_timer_.cancel();
  stall_timer_.cancel();
  trial_.reset();
  if (std::exchange(closing_, true)) {
    // Asked again, or while a clean stop says its last words.
    return grace_.set(std::chrono::milliseconds(0), [this] {
      if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(running_.empty());
    });
  }
  grace_.cancel();
  const auto all = running_;  // One that is ended may finish in the call.
  for (const AttemptRef& attempt : all) {
    attempt->settled = true;
    if (attempt->executor->withdraw(*attempt)) running_.erase(attempt);
  }
  const bool clean = running_.empty() && settling_ == 0;
  log::warning("worker", "stopping at once: {} task(s) are given up; the broker gives them to another worker",
               running_.size());
  for (const AttemptRef& attempt : all) {
    if (running_.contains(attempt)) attempt->executor->terminate(attempt, SIGKILL);
  }
  if (control_) control_->stop();
  gate_->post([this, clean] {
    link_.close([this, clean] {
      if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(clean);
    });
  });
}

}  // namespace wherry::worker

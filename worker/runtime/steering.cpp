// The runtime's side of remote control: what it shows of itself, and how it is changed while it runs.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "worker/runtime/runtime.h"
#include "worker/runtime/task_scope.h"
#include "worker/settings/rate.h"

namespace wherry::worker {

void Runtime::start_control() {
  if (config_.options.remote_control) {
    control_ = std::make_unique<Control>(loop_, link_, static_cast<Steering&>(*this), [this] {
      for (sdk::Delivery& delivery : std::exchange(early_, {})) on_delivery(std::move(delivery));
    });
  }
  journal_ = std::make_unique<Journal>(control_ ? &control_->events() : nullptr, tally_.get());
  limit_rates(true);
  const WorkerOptions& options = config_.options;
  if (options.autoscale_max > 0) autoscaler_.emplace(options.autoscale_min, options.autoscale_max);
  if (autoscaler_) scale_regularly();
}

// --- what is shown ---------------------------------------------------------------------------------------------------

void Runtime::each_task(const std::function<void(const Attempt&, Stage)>& visit) const {
  for (const auto& [attempt, timer] : held_) visit(*attempt, Stage::scheduled);
  throttle_.each([&](const AttemptRef& attempt) { visit(*attempt, Stage::reserved); });
  for (const AttemptRef& attempt : running_) visit(*attempt, attempt->started() ? Stage::active : Stage::reserved);
}

std::string Runtime::rate_limit(std::string_view task) const {
  const auto found = rates_.find(task);
  return found == rates_.end() ? std::string() : found->second;
}

task::Value::Map Runtime::pool_info() const {
  return pool().info();
}

std::optional<task::Value> Runtime::autoscaler_info() const {
  if (!autoscaler_) return {};
  return task::Value::Map{
      {"max", autoscaler_->max()}, {"min", autoscaler_->min()}, {"current", pool().slots()}, {"qty", running_.size()}};
}

task::Value::Map Runtime::broker_info() const {
  const sdk::Endpoint& first = config_.link.endpoints.front();
  return {{"hostname", first.address.host},
          {"port", first.address.port},
          {"userid", first.user},
          {"virtual_host", first.virtual_host},
          {"transport", "amqp"},
          {"ssl", false},
          {"login_method", "PLAIN"},
          {"insist", false},
          {"uri_prefix", nullptr},
          {"transport_options", task::Value::Map{}},
          {"failover_strategy", "round-robin"},
          {"alternates", task::Value::Array{}}};
}

// --- revoked tasks ---------------------------------------------------------------------------------------------------

// Told and acknowledged: whether it ran until now or not, nothing more is to come of it here.
void Runtime::revoke(const AttemptRef& attempt, bool terminated, int signal) {
  const TaskScope about(*attempt);
  const task::Task& task = attempt->task();
  const char* how = terminated ? "terminated" : "revoked";
  log::info("worker", "task {} [{}] is {}", task.name, task.id, how);
  journal_->revoked(task, terminated, signal, false);
  attempt->settled = true;
  const sdk::DeliveryRef& delivery = attempt->delivery().ref;
  join_.end(task, failed(task, task::state::revoked, {"TaskRevokedError", how}, wall_now()),
            safely(delivery, [this, delivery] { link_.ack(delivery); }));
}

void Runtime::drop_revoked() {
  if (!control_) return;
  std::vector<AttemptRef> dropped;
  auto is_revoked = [&](const AttemptRef& attempt) {
    if (!control_->is_revoked(attempt->task())) return false;
    dropped.push_back(attempt);
    return true;
  };
  if (std::erase_if(held_, [&](const auto& each) { return is_revoked(each.first); }) > 0) set_prefetch();
  throttle_.forget(is_revoked);
  std::erase_if(running_, [&](const AttemptRef& attempt) {
    if (attempt->started() || !control_->is_revoked(attempt->task())) return false;
    if (!attempt->executor->withdraw(*attempt)) return false;
    dropped.push_back(attempt);
    return true;
  });
  look_after_trial();
  for (const AttemptRef& attempt : dropped) revoke(attempt, false, 0);
}

std::vector<std::string> Runtime::terminate(const std::function<bool(const task::Task&)>& which, int signal) {
  std::vector<std::string> ids;
  for (const AttemptRef& attempt : running_) {
    if (attempt->settled || !which(attempt->task())) continue;
    log::warning("worker", "terminating task {} [{}] (signal {})", attempt->name(), attempt->id(), signal);
    ids.push_back(attempt->id());
    revoke(attempt, true, signal);
    attempt->executor->terminate(attempt, signal);
  }
  return ids;
}

// --- limits ----------------------------------------------------------------------------------------------------------

Result<void> Runtime::set_rate_limit(const std::string& task, std::string_view rate) {
  auto parsed = parse_rate(rate);
  if (!parsed) return tl::unexpected(parsed.error());
  if (*parsed > 0) {
    rates_[task] = rate;
  } else {
    rates_.erase(task);
  }
  throttle_.set_rate(task, *parsed);
  return {};
}

void Runtime::set_time_limits(const std::string& task, Limit soft, Limit hard) {
  auto text = [](const Limit& limit) { return limit ? fmt::format("{} ms", limit->count()) : std::string("none"); };
  log::info("worker", "time limits of {}: soft {}, hard {}", task, text(soft), text(hard));
  time_limits_[task] = {soft, hard};
}

// The message's own, then what remote control set, then the settings' for its name, then the task's, then the worker's.
Steering::Limit Runtime::limit(const Attempt& attempt, const TaskOptions& own, bool soft) const {
  const task::Task& task = attempt.task();
  if (const Limit& its = soft ? task.soft_time_limit : task.time_limit) return its;
  if (const auto set = time_limits_.find(task.name); set != time_limits_.end()) {
    return soft ? set->second.first : set->second.second;
  }
  if (const auto found = configured_limits_.find(task.name); found != configured_limits_.end()) {
    if (const Limit& its = soft ? found->second.soft_time_limit : found->second.time_limit) return its;
  }
  if (const Limit& its = soft ? own.soft_time_limit : own.time_limit) return its;
  return soft ? config_.options.soft_time_limit : config_.options.time_limit;
}

// --- the pool --------------------------------------------------------------------------------------------------------

Result<void> Runtime::resize(unsigned slots, unsigned prefetch) {
  auto resized = pool().resize(slots);
  if (!resized) return resized;
  prefetch_ = prefetch;
  set_prefetch();
  log::info("worker", "{} task(s) may run at once, {} taken from the broker", slots, prefetch);
  return {};
}

Result<void> Runtime::grow(int by) {
  if (autoscaler_) {
    return wherry::fail(fmt::format("pool_{} is not supported with autoscale. Adjust autoscale range instead.",
                                    by < 0 ? "shrink" : "grow"));
  }
  const long slots = static_cast<long>(pool().slots()) + by;
  const long prefetch = static_cast<long>(prefetch_) + by;
  if (slots < 1) return wherry::fail(fmt::format("a pool of {} cannot shrink by {}", pool().slots(), -by));
  if (slots > long{most_concurrency} || prefetch > long{most_prefetch}) {
    return wherry::fail(fmt::format("a worker runs at most {} tasks at once", most_concurrency));
  }
  return resize(static_cast<unsigned>(slots), static_cast<unsigned>(std::max(prefetch, 1L)));
}

Result<std::pair<unsigned, unsigned>> Runtime::autoscale(std::optional<unsigned> max, std::optional<unsigned> min) {
  if (!autoscaler_) return wherry::fail("Autoscale not enabled");
  const Autoscaler before = *autoscaler_;
  const unsigned most = std::max(1u, max.value_or(before.max()));
  autoscaler_.emplace(std::min(min.value_or(before.min()), most), most);
  const long prefetch = static_cast<long>(prefetch_) + most - before.max();
  prefetch_ = static_cast<unsigned>(std::clamp(prefetch, 1L, long{most_prefetch}));
  set_prefetch();
  scale();
  return std::pair(autoscaler_->max(), autoscaler_->min());
}

void Runtime::scale() {
  if (!autoscaler_ || stopping_) return;
  const unsigned slots = pool().slots();
  const unsigned wanted = autoscaler_->wanted(slots, running_.size(), std::chrono::steady_clock::now());
  if (wanted == slots) return;
  if (auto resized = pool().resize(wanted); !resized) {
    return log::warning("worker", "cannot scale to {}: {}", wanted, resized.error().message);
  }
  log::info("worker", "scaled from {} to {} tasks at once", slots, wanted);
}

void Runtime::scale_regularly() {
  scale_timer_.set(std::chrono::milliseconds(Autoscaler::look_every), [this] {
    scale();
    scale_regularly();
  });
}

Result<void> Runtime::restart_pool() {
  return pool().restart();
}

// --- queues ----------------------------------------------------------------------------------------------------------

void Runtime::add_queue(ConsumedQueue queue) {
  auto same = [&](const ConsumedQueue& each) { return each.name == queue.name; };
  if (stopping_ || std::any_of(consumed_.begin(), consumed_.end(), same)) return;
  sdk::Topology topology{
      sdk::ExchangeSpec{.name = queue.exchange, .type = queue.exchange_type}, sdk::QueueSpec{.name = queue.name},
      sdk::BindingSpec{.source = queue.exchange, .destination = queue.name, .routing_key = queue.routing_key}};
  const std::string name = queue.name;
  consumed_.push_back(std::move(queue));
  // What is there with other arguments is used as it is: consuming shows whether it is there.
  for (sdk::Declaration& each : topology) link_.declare({std::move(each)});
  link_.declare({}, [this, name](const sdk::Report&) {
    if (!over_ && !stopping_ && subscribed_) link_.add_queue(subscription_, name);
  });
}

void Runtime::cancel_queue(const std::string& name) {
  std::erase_if(consumed_, [&](const ConsumedQueue& each) { return each.name == name; });
  if (subscribed_) link_.remove_queue(subscription_, name);
}

void Runtime::lost_queue(const std::string& name, const std::string& why) {
  log::error("worker", "no tasks are taken from queue '{}': {}", name, why);
  std::erase_if(consumed_, [&](const ConsumedQueue& each) { return each.name == name; });
}

void Runtime::shut_down() {
  // Not from inside of a delivery: it may be the end of all this.
  gate_->post([this] {
    if (on_shutdown_) on_shutdown_();
  });
}

}  // namespace wherry::worker

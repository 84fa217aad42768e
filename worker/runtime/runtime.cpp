#include "worker/runtime/runtime.h"

#include <fmt/format.h>

#include "base/log.h"
#include "protocol/task/backoff.h"

namespace wherry::worker {

namespace {

WallTime wall_now() {
  return std::chrono::system_clock::now();
}

// How long a retry or dead letter may take to be confirmed before its delivery goes back to the queue.
constexpr std::chrono::seconds settle_timeout{30};
// A delivery that must go back at once would come back at once: a little patience keeps a broken queue from spinning.
constexpr std::chrono::milliseconds give_back_after{1'000};

sdk::LinkEvents link_events(std::function<void(std::string)> on_refused) {
  sdk::LinkEvents events;
  events.on_up = [](std::uint64_t generation) { log::info("worker", "connected{}", generation == 1 ? "" : " again"); };
  events.on_down = [on_refused](std::string_view reason, bool denied) {
    log::warning("worker", "no connection: {}", reason);
    if (denied) on_refused(fmt::format("the broker does not let this worker in: {}", reason));
  };
  events.on_declare_refused = [](const sdk::Declaration&, const sdk::Report& report) {
    log::error("worker", "a declaration was refused: {}", report.text);
  };
  return events;
}

}  // namespace

Runtime::Runtime(net::EventLoop& loop, const Registry& registry, RuntimeConfig config, std::function<void()> on_ready,
                 std::function<void(std::string)> on_refused)
    : loop_(loop),
      registry_(registry),
      config_(std::move(config)),
      on_ready_(std::move(on_ready)),
      on_refused_(std::move(on_refused)),
      link_(loop, config_.link, link_events([this](std::string reason) { on_refused_(std::move(reason)); })),
      pool_(config_.options.concurrency) {}

Runtime::~Runtime() = default;

std::uint16_t Runtime::prefetch() const {
  return static_cast<std::uint16_t>(std::min<std::size_t>(config_.options.prefetch + held_.size(), 65'535));
}

void Runtime::start() {
  link_.declare(config_.topology, [this](const sdk::Report& report) {
    if (!report.ok()) return on_refused_(fmt::format("the broker refused a declaration: {}", report.text));
    sdk::Subscription what;
    what.queues = config_.options.queues;
    what.prefetch = prefetch();
    subscription_ = link_.subscribe(
        std::move(what), [this](sdk::Delivery delivery) { on_delivery(std::move(delivery)); },
        [this](const std::string& queue, const sdk::Report& refusal) {
          on_refused_(fmt::format("queue '{}': {}", queue, refusal.text));
        });
    ready_ = true;
    if (on_ready_) on_ready_();
  });
  link_.start();
}

// --- deliveries ------------------------------------------------------------------------------------------------------

void Runtime::on_delivery(sdk::Delivery delivery) {
  if (stopping_) return link_.nack(delivery.ref, true);
  auto task = task::decode(delivery.properties, delivery.body);
  if (!task) {
    return bury(delivery, nullptr, {"DecodeError", task.error().message},
                fmt::format("not a task that can be read: {}", task.error().message));
  }
  auto attempt = std::make_shared<Attempt>(loop_, std::move(delivery), std::move(*task),
                                           [this](const Attempt& from, task::Value meta) {
                                             task::ResultMeta report;
                                             report.status = "PROGRESS";
                                             report.result = std::move(meta);
                                             send_result(from.task(), std::move(report));
                                           });
  if (attempt->task().eta && *attempt->task().eta > wall_now()) return hold(attempt);
  run(attempt);
}

void Runtime::hold(AttemptRef attempt) {
  auto timer = std::make_unique<net::Timer>(loop_);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*attempt->task().eta - wall_now());
  timer->set(wait, [this, attempt] {
    auto node = held_.extract(attempt);  // Keeps the timer until this function has ended.
    link_.set_prefetch(subscription_, prefetch());
    run(attempt);
  });
  held_.emplace(std::move(attempt), std::move(timer));
  link_.set_prefetch(subscription_, prefetch());
}

void Runtime::run(const AttemptRef& attempt) {
  const task::Task& task = attempt->task();
  if (task.expires && *task.expires <= wall_now()) {
    log::info("worker", "task {} [{}] expired before it ran", task.name, task.id);
    send_result(task, failed(task, task::state::revoked, {"TaskRevokedError", "expired"}, wall_now()));
    return link_.ack(attempt->delivery().ref);
  }
  const Registry::Entry* entry = registry_.find(task.name);
  if (entry == nullptr) {
    return bury(attempt->delivery(), &task, {"NotRegistered", task.name},
                fmt::format("no task '{}' is registered in this worker", task.name));
  }
  const auto own = entry->options.soft_time_limit ? entry->options.soft_time_limit : config_.options.soft_time_limit;
  const auto soft = task.soft_time_limit ? task.soft_time_limit : own;
  if (soft) attempt->limit(*soft);
  running_.insert(attempt);
  attempt->ticket = pool_.run([this, attempt, entry] {
    const task::Task& running = attempt->task();
    auto bound = entry->run({running.args, running.kwargs}, *attempt, [this, attempt](detail::Outcome outcome) {
      loop_.post([this, attempt, outcome = std::move(outcome)]() mutable { finished(attempt, std::move(outcome)); });
    });
    if (bound) return;
    detail::Outcome outcome;
    outcome.kind = detail::Outcome::Kind::dead;
    outcome.error_type = "TypeError";
    outcome.reason = bound.error().message;
    loop_.post([this, attempt, outcome = std::move(outcome)]() mutable { finished(attempt, std::move(outcome)); });
  });
}

// --- outcomes --------------------------------------------------------------------------------------------------------

void Runtime::finished(const AttemptRef& attempt, detail::Outcome outcome) {
  if (attempt->settled) return;
  using Kind = detail::Outcome::Kind;
  switch (outcome.kind) {
    case Kind::done:
      succeed(attempt, std::move(outcome.result));
      break;
    case Kind::failed:
      fail(attempt, {std::move(outcome.error_type), std::move(outcome.reason)}, {});
      break;
    case Kind::retry:
      fail(attempt, {"Retry", std::move(outcome.reason)}, outcome.after);
      break;
    case Kind::dead: {
      const std::string type = outcome.error_type.empty() ? "Dead" : outcome.error_type;
      bury(attempt->delivery(), &attempt->task(), {type, outcome.reason}, outcome.reason);
      break;
    }
  }
  ended(attempt);
}

void Runtime::succeed(const AttemptRef& attempt, task::Value result) {
  const task::Task& task = attempt->task();
  log::debug("worker", "task {} [{}] done", task.name, task.id);
  // Result first, on the same connection: whoever sees the task gone can see its result.
  send_result(task, success(task, std::move(result), wall_now()));
  link_.ack(attempt->delivery().ref);
}

void Runtime::fail(const AttemptRef& attempt, Failure failure, std::optional<std::chrono::milliseconds> after) {
  const task::Task& task = attempt->task();
  const Registry::Entry* entry = registry_.find(task.name);
  const RetryPolicy policy = entry->options.retry ? *entry->options.retry : config_.policy(task.name);
  if (task.retries >= policy.max_retries) {
    return bury(attempt->delivery(), &task, failure,
                fmt::format("failed {} time{}, the last with {}: {}", task.retries + 1, task.retries == 0 ? "" : "s",
                            failure.type, failure.message));
  }
  const auto delay = after ? *after
                           : task::retry_delay({policy.base, policy.factor, policy.max, policy.jitter}, task.retries,
                                               [this] { return std::uniform_real_distribution<>(0, 1)(random_); });
  log::warning("worker", "task {} [{}] failed (attempt {} of {}), again in {} ms: {}: {}", task.name, task.id,
               task.retries + 1, policy.max_retries + 1, delay.count(), failure.type, failure.message);
  try_again(attempt, failure, delay);
}

void Runtime::try_again(const AttemptRef& attempt, const Failure& failure, std::chrono::milliseconds delay) {
  const task::Task& task = attempt->task();
  sdk::Publication message = retry_message(attempt->delivery(), task, failure, config_.options.name, wall_now(), delay);
  message.deadline = std::chrono::steady_clock::now() + settle_timeout;
  send_result(task, failed(task, task::state::retry, failure, wall_now()));
  ++settling_;
  link_.publish_delayed(
      std::move(message), attempt->delivery().queue, delay, [this, attempt](const sdk::Report& report) {
        --settling_;
        if (report.ok()) {
          link_.ack(attempt->delivery().ref);
        } else {
          log::error("worker", "task {} [{}]: its retry could not be published ({}); it goes back to its queue",
                     attempt->name(), attempt->id(), report.text);
          give_back(attempt->delivery().ref);
        }
        end_when_idle();
      });
}

void Runtime::bury(const sdk::Delivery& delivery, const task::Task* task, Failure failure, std::string reason) {
  log::error("worker", "{} from queue '{}' to the dead-letter queue '{}': {}",
             task ? fmt::format("task {} [{}]", task->name, task->id) : "a message", delivery.queue,
             config_.options.dead_letter_queue, reason);
  sdk::Publication message = dead_letter(delivery, task, failure, reason, config_.options.name, wall_now());
  message.routing_key = config_.options.dead_letter_queue;
  message.deadline = std::chrono::steady_clock::now() + settle_timeout;
  if (task) send_result(*task, failed(*task, task::state::failure, failure, wall_now()));
  ++settling_;
  link_.publish(std::move(message), [this, ref = delivery.ref](const sdk::Report& report) {
    --settling_;
    if (report.ok()) {
      link_.ack(ref);
    } else {
      log::error("worker", "a dead letter could not be published ({}); it goes back to its queue", report.text);
      give_back(ref);
    }
    end_when_idle();
  });
}

void Runtime::give_back(const sdk::DeliveryRef& delivery) {
  if (stopping_) return link_.nack(delivery, true);
  auto timer = std::make_shared<net::Timer>(loop_);
  timer->set(give_back_after, [this, delivery, timer]() mutable {
    link_.nack(delivery, true);
    timer.reset();
  });
}

void Runtime::send_result(const task::Task& task, task::ResultMeta meta) {
  sdk::Publication message = result_message(task, std::move(meta));
  if (message.routing_key.empty()) return;
  message.deadline = std::chrono::steady_clock::now() + settle_timeout;
  link_.publish(std::move(message));
}

// --- the end ---------------------------------------------------------------------------------------------------------

void Runtime::ended(const AttemptRef& attempt) {
  attempt->settled = true;
  running_.erase(attempt);
  end_when_idle();
}

void Runtime::stop(std::function<void(bool)> done) {
  if (stopping_) {
    for (const AttemptRef& attempt : running_) attempt->request_stop();
    return grace_.set(std::chrono::milliseconds(0), [this] {
      if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(false);
    });
  }
  stopping_ = true;
  on_stopped_ = std::move(done);
  grace_.set(config_.options.graceful_timeout, [this] {
    for (const AttemptRef& attempt : running_) attempt->request_stop();
    log::error("worker", "{} task(s) still run after {} ms; the broker gives them to another worker", running_.size(),
               config_.options.graceful_timeout.count());
    if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(false);
  });
  if (ready_) link_.pause(subscription_);
  for (auto& [attempt, timer] : std::exchange(held_, {})) link_.nack(attempt->delivery().ref, true);
  for (const AttemptRef& attempt : std::set<AttemptRef>(running_)) {
    if (!pool_.withdraw(attempt->ticket)) continue;
    link_.nack(attempt->delivery().ref, true);
    ended(attempt);
  }
  log::info("worker", "stopping: {} task(s) to finish", running_.size());
  end_when_idle();
}

void Runtime::end_when_idle() {
  if (!stopping_ || closing_ || !on_stopped_ || !running_.empty() || settling_ > 0) return;
  closing_ = true;
  grace_.cancel();
  // The link posts what it publishes and acknowledges, but closes at once: posted likewise, the close comes after the
  // last task's result and ack. Closing then waits until all is written.
  loop_.post([this] {
    link_.close([this] {
      if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(true);
    });
  });
}

}  // namespace wherry::worker

#include "worker/runtime/runtime.h"

#include <algorithm>
#include <limits>
#include <utility>

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

// Which part of a Celery workflow hangs on the task; empty when nothing does.
std::string_view what_follows(const task::Embed& embed) {
  auto something = [](const task::Value& value) {
    const auto* list = value.get<task::Value::Array>();
    return !value.is_null() && (list == nullptr || !list->empty());
  };
  if (something(embed.chain)) return "chain";
  if (something(embed.chord)) return "chord";
  if (something(embed.callbacks)) return "link";
  if (something(embed.errbacks)) return "link_error";
  return {};
}

}  // namespace

Runtime::Runtime(net::EventLoop& loop, const Registry& registry, RuntimeConfig config, std::function<void()> on_ready,
                 std::function<void(std::string)> on_refused)
    : loop_(loop),
      registry_(registry),
      config_(std::move(config)),
      on_ready_(std::move(on_ready)),
      on_refused_(std::move(on_refused)),
      gate_(std::make_shared<Gate>(loop)),
      link_(loop, config_.link,
            {.on_up = [this](std::uint64_t) { on_up(); },
             .on_down = [this](std::string_view reason, std::uint16_t denied) { on_down(reason, denied != 0); },
             .on_declare_refused =
                 [](const sdk::Declaration&, const sdk::Report& report) {
                   log::error("worker", "a declaration was refused: {}", report.text);
                 }}),
      pool_(std::make_shared<Pool>(config_.options.concurrency)) {}

Runtime::~Runtime() {
  over_ = true;
  gate_->close();
  for (const AttemptRef& attempt : running_) attempt->end();
  if (running_.empty()) {
    pool_->stop();
  } else {
    pool_->abandon();
  }
}

void Runtime::start() {
  auto declare = [this](const sdk::Topology& topology, bool as_it_is) {
    link_.declare(topology, [this, as_it_is](const sdk::Report& report) {
      const bool other_arguments = report.code == static_cast<std::uint16_t>(amqp::ReplyCode::precondition_failed);
      if (report.ok() || (as_it_is && other_arguments)) return;
      refuse(fmt::format("the broker refused a declaration: {}", report.text));
    });
  };
  declare(config_.topology, false);
  for (const sdk::Declaration& each : config_.if_missing) declare({each}, true);
  link_.declare({}, [this](const sdk::Report& report) {
    if (report.ok() && !over_ && !stopping_) subscribe();
  });
  link_.start();
}

// Once: the link consumes again by itself after each reconnect.
void Runtime::subscribe() {
  sdk::Subscription what;
  what.queues = config_.options.queues;
  what.prefetch = static_cast<std::uint16_t>(config_.options.prefetch);
  subscription_ = link_.subscribe(
      std::move(what), [this](sdk::Delivery delivery) { on_delivery(std::move(delivery)); },
      [this](const std::string& queue, const sdk::Report& refusal) {
        refuse(fmt::format("queue '{}': {}", queue, refusal.text));
      });
  subscribed_ = true;
}

void Runtime::on_up() {
  if (!subscribed_ || stopping_) return;
  if (auto ready = std::exchange(on_ready_, nullptr)) {
    ready();
  } else {
    log::info("worker", "connected again");
  }
}

void Runtime::on_down(std::string_view reason, bool denied) {
  if (!stopping_) log::warning("worker", "no connection to the broker: {}", reason);
  lose(std::numeric_limits<std::uint64_t>::max());
  if (denied) refuse(fmt::format("the broker does not let this worker in: {}", reason));
  end_when_idle();
}

void Runtime::refuse(std::string reason) {
  if (over_ || stopping_) return;
  if (auto refused = std::exchange(on_refused_, nullptr)) refused(std::move(reason));
}

void Runtime::lose(std::uint64_t generation) {
  auto gone = [&](const AttemptRef& attempt) { return attempt->delivery().ref.generation < generation; };
  if (std::erase_if(held_, [&](const auto& each) { return gone(each.first); }) > 0) set_prefetch();
  std::erase_if(returning_, [&](const auto& each) { return each.second.generation < generation; });
  std::erase_if(running_, [&](const AttemptRef& attempt) {
    if (!gone(attempt)) return false;
    attempt->lost = true;
    return pool_->withdraw(attempt->ticket);
  });
}

// --- deliveries ------------------------------------------------------------------------------------------------------

void Runtime::on_delivery(sdk::Delivery delivery) {
  // A new channel without a new connection: the broker closed the one before, and what it had given out there is void.
  if (delivery.ref.generation > newest_generation_) lose(newest_generation_ = delivery.ref.generation);
  if (stopping_) return link_.nack(delivery.ref, true);
  auto task = task::decode(delivery.properties, delivery.body);
  if (!task) {
    return bury(delivery, nullptr, {"DecodeError", task.error().message},
                fmt::format("not a task that can be read: {}", task.error().message));
  }
  Attempt::Ways ways{loop_, gate_,
                     [this](const Attempt& from, task::Value meta) {
                       task::ResultMeta report;
                       report.status = "PROGRESS";
                       report.result = std::move(meta);
                       send_result(from.task(), std::move(report));
                     },
                     [pool = std::weak_ptr(pool_)](std::function<void()> resume) {
                       if (auto there = pool.lock()) there->run(std::move(resume));
                     }};
  auto attempt = std::make_shared<Attempt>(std::move(ways), std::move(delivery), std::move(*task));
  if (attempt->task().eta && *attempt->task().eta > wall_now()) return hold(attempt);
  run(attempt);
}

void Runtime::set_prefetch() {
  const std::size_t wanted = config_.options.prefetch + held_.size();
  link_.set_prefetch(subscription_, static_cast<std::uint16_t>(std::min<std::size_t>(wanted, 65'535)));
}

void Runtime::hold(AttemptRef attempt) {
  auto timer = std::make_unique<net::Timer>(loop_);
  timer->set(until(*attempt->task().eta, wall_now()), [this, held = attempt.get()] {
    auto node = held_.extract(held->shared_from_this());  // Keeps the timer until this function has ended.
    set_prefetch();
    run(node.key());
  });
  held_.emplace(std::move(attempt), std::move(timer));
  set_prefetch();
}

void Runtime::run(const AttemptRef& attempt) {
  const task::Task& task = attempt->task();
  if (task.expires && *task.expires <= wall_now()) {
    log::info("worker", "task {} [{}] expired before it ran", task.name, task.id);
    send_result(task, failed(task, task::state::revoked, {"TaskRevokedError", "expired"}, wall_now()));
    return link_.ack(attempt->delivery().ref);
  }
  const Registry::EntryRef entry = registry_.find(task.name);
  if (entry == nullptr) {
    return bury(attempt->delivery(), &task, {"NotRegistered", task.name},
                fmt::format("no task '{}' is registered in this worker", task.name));
  }
  if (const std::string_view next = what_follows(task.embed); !next.empty()) {
    // Running it and dropping the rest without a word would leave somebody waiting for ever.
    return bury(attempt->delivery(), &task, {"NotImplementedError", std::string(next)},
                fmt::format("it is part of a workflow ({}), which this worker cannot go on with", next));
  }
  const auto own = entry->options.soft_time_limit ? entry->options.soft_time_limit : config_.options.soft_time_limit;
  const auto soft = task.soft_time_limit ? task.soft_time_limit : own;
  running_.insert(attempt);
  // What runs keeps its function (entry) and its context (attempt); the runtime itself is used on the loop alone.
  attempt->ticket = pool_->run([this, gate = gate_, attempt, entry, soft] {
    auto finish = [this, gate, attempt, entry](detail::Outcome outcome) {
      gate->post([this, attempt, outcome = std::move(outcome)]() mutable { finished(attempt, std::move(outcome)); });
    };
    attempt->begin(soft);
    const task::Task& begun = attempt->task();
    auto bound = entry->run({begun.args, begun.kwargs}, *attempt, finish);
    if (bound) return;
    detail::Outcome outcome;
    outcome.kind = detail::Outcome::Kind::dead;
    outcome.error_type = "TypeError";
    outcome.reason = bound.error().message;
    finish(std::move(outcome));
  });
}

// --- outcomes --------------------------------------------------------------------------------------------------------

void Runtime::finished(const AttemptRef& attempt, detail::Outcome outcome) {
  using Kind = detail::Outcome::Kind;
  if (attempt->lost && outcome.kind != Kind::done) {
    log::warning("worker", "task {} [{}] failed after its connection was lost; the broker gives it out again: {}",
                 attempt->name(), attempt->id(), outcome.reason);
    return ended(attempt);
  }
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
  const Registry::EntryRef entry = registry_.find(task.name);
  const RetryPolicy policy = entry->options.retry ? *entry->options.retry : config_.policy(task.name);
  if (task.retries >= policy.max_retries) {
    return bury(attempt->delivery(), &task, failure,
                fmt::format("failed {} time{}, the last with {}: {}", task.retries + 1, task.retries == 0 ? "" : "s",
                            failure.type, failure.message));
  }
  const auto delay = after ? std::max(*after, std::chrono::milliseconds(0))
                           : task::retry_delay({policy.base, policy.factor, policy.max, policy.jitter}, task.retries,
                                               [this] { return std::uniform_real_distribution<>(0, 1)(random_); });
  log::warning("worker", "task {} [{}] failed (attempt {} of {}), again in {} ms: {}: {}", task.name, task.id,
               task.retries + 1, policy.max_retries + 1, delay.count(), failure.type, failure.message);
  try_again(attempt, failure, delay);
}

void Runtime::try_again(const AttemptRef& attempt, const Failure& failure, std::chrono::milliseconds delay) {
  const task::Task& task = attempt->task();
  const sdk::Delivery& delivery = attempt->delivery();
  auto message = retry_message(delivery, task, failure, config_.options.name, wall_now(), delay);
  if (!message) {
    return bury(delivery, &task, failure, fmt::format("its retry could not be written: {}", message.error().message));
  }
  message->deadline = std::chrono::steady_clock::now() + settle_timeout;
  send_result(task, failed(task, task::state::retry, failure, wall_now()));
  link_.publish_delayed(std::move(*message), delivery.queue, delay,
                        settles(delivery.ref, fmt::format("the retry of task {} [{}]", task.name, task.id)));
}

void Runtime::bury(const sdk::Delivery& delivery, const task::Task* task, Failure failure, std::string reason) {
  const std::string what = task ? fmt::format("task {} [{}]", task->name, task->id) : "a message";
  log::error("worker", "{} from queue '{}' to the dead-letter queue '{}': {}", what, delivery.queue,
             config_.options.dead_letter_queue, reason);
  sdk::Publication message = dead_letter(delivery, task, failure, reason, config_.options.name, wall_now());
  message.routing_key = config_.options.dead_letter_queue;
  message.deadline = std::chrono::steady_clock::now() + settle_timeout;
  if (task) send_result(*task, failed(*task, task::state::failure, failure, wall_now()));
  link_.publish(std::move(message), settles(delivery.ref, "the dead letter of " + what));
}

sdk::Done Runtime::settles(const sdk::DeliveryRef& delivery, std::string what) {
  ++settling_;
  return [this, delivery, what = std::move(what)](const sdk::Report& report) {
    if (over_) return;
    --settling_;
    if (report.ok()) {
      link_.ack(delivery);
    } else {
      log::error("worker", "{} could not be published, it goes back to its queue: {}", what, report.text);
      give_back(delivery);
    }
    end_when_idle();
  };
}

void Runtime::give_back(const sdk::DeliveryRef& delivery) {
  if (stopping_) return link_.nack(delivery, true);
  returning_.emplace_back(std::chrono::steady_clock::now() + give_back_after, delivery);
  if (returning_.size() == 1) return_timer_.set(returning_.front().first, [this] { give_back_due(); });
}

void Runtime::give_back_due() {
  const auto now = std::chrono::steady_clock::now();
  for (; !returning_.empty() && returning_.front().first <= now; returning_.pop_front()) {
    link_.nack(returning_.front().second, true);
  }
  if (!returning_.empty()) return_timer_.set(returning_.front().first, [this] { give_back_due(); });
}

void Runtime::send_result(const task::Task& task, task::ResultMeta meta) {
  sdk::Publication message = result_message(task, std::move(meta));
  if (message.routing_key.empty()) return;
  message.deadline = std::chrono::steady_clock::now() + settle_timeout;
  ++settling_;
  link_.publish(std::move(message), [this, id = task.id](const sdk::Report& report) {
    if (over_) return;
    --settling_;
    if (!report.ok()) log::warning("worker", "a result of task [{}] could not be sent: {}", id, report.text);
    end_when_idle();
  });
}

// --- the end ---------------------------------------------------------------------------------------------------------

void Runtime::ended(const AttemptRef& attempt) {
  attempt->end();
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
    log::error("worker", "{} task(s) still run after {} ms; the broker gives them to another worker", running_.size(),
               config_.options.graceful_timeout.count());
    for (const AttemptRef& attempt : running_) attempt->request_stop();
    if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(false);
  });
  if (subscribed_) link_.pause(subscription_);
  std::size_t returned = held_.size() + returning_.size();
  for (const auto& [attempt, timer] : std::exchange(held_, {})) link_.nack(attempt->delivery().ref, true);
  for (const auto& [when, delivery] : std::exchange(returning_, {})) link_.nack(delivery, true);
  std::erase_if(running_, [&](const AttemptRef& attempt) {
    if (!pool_->withdraw(attempt->ticket)) return false;
    link_.nack(attempt->delivery().ref, true);
    ++returned;
    return true;
  });
  log::info("worker", "stopping: {} task(s) to finish, {} returned to their queues", running_.size(), returned);
  end_when_idle();
}

void Runtime::end_when_idle() {
  if (!stopping_ || closing_ || !running_.empty()) return;
  // Without a connection nothing can be settled: the broker has all of it again.
  if (settling_ > 0 && link_.is_up()) return;
  closing_ = true;
  // The link posts what it publishes and acknowledges, but closes at once: posted likewise, the close comes after the
  // last task's result and ack. Closing then waits until all is written.
  gate_->post([this] {
    link_.close([this] {
      grace_.cancel();
      if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped(true);
    });
  });
}

}  // namespace wherry::worker

// What becomes of a task that has run, or cannot: its result, what follows it, its next attempt, its burial.
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "protocol/task/backoff.h"
#include "worker/runtime/runtime.h"
#include "worker/runtime/task_scope.h"

namespace wherry::worker {

namespace {

// How long a retry or dead letter may take to be confirmed before its delivery goes back to the queue.
constexpr std::chrono::seconds settle_timeout{30};
// A delivery that must go back at once would come back at once: a little patience keeps a broken queue from spinning.
constexpr std::chrono::milliseconds give_back_after{1'000};

// Somebody may ask for its result. stored: results are, for anybody who knows the task's id.
bool wants_result(const task::Task& task, const Registry& registry, const WorkerOptions& options, bool stored) {
  if (task.ignore_result || !(stored || (options.result_backend != "none" && !task.reply_to.empty()))) return false;
  const Registry::EntryRef entry = registry.find(task.name);
  return !(entry && entry->options.ignore_result);
}

Failure failure_of(detail::Outcome outcome) {
  Failure failure{std::move(outcome.error_type), std::move(outcome.reason), std::move(outcome.traceback)};
  if (outcome.raised) {
    failure.exception =
        task::TaskException{failure.type, std::move(outcome.raised->arguments), std::move(outcome.raised->module)};
  }
  return failure;
}

}  // namespace

void Runtime::finished(const AttemptRef& attempt, detail::Outcome outcome) {
  using Kind = detail::Outcome::Kind;
  const TaskScope about(*attempt);
  journal_->ran(attempt->task());
  if (config_.drill != nullptr) config_.drill->ran(attempt->task(), attempt->delivery(), outcome);
  if (tally_) count_run(*attempt);
  if (befalls(attempt, Moment::after_run)) return ended(attempt);
  if (attempt->settled) return ended(attempt);  // It was terminated.
  // What others go on from is told by one run alone: the one that can be acknowledged.
  const task::Task& task = attempt->task();
  const bool replaced = outcome.kind == Kind::replaced;
  const bool leads_on = Continuation::follows_success(task) || !task.embed.chord.is_null() || replaced;
  if (attempt->lost && (outcome.kind == Kind::done || replaced) && leads_on) {
    log::warning("worker", "task {} [{}] was done after its connection was lost; it is run again for what follows it",
                 attempt->name(), attempt->id());
    return ended(attempt);
  }
  if (attempt->lost && outcome.kind != Kind::done) {
    log::warning("worker", "task {} [{}] failed after its connection was lost; the broker gives it out again: {}",
                 attempt->name(), attempt->id(), outcome.reason);
    return ended(attempt);
  }
  switch (outcome.kind) {
    case Kind::done:
      succeed(attempt, std::move(outcome.result), outcome.added);
      break;
    case Kind::replaced:
      replace(attempt, outcome.result);
      break;
    case Kind::failed:
      if (outcome.crashed) {
        crashed(attempt, failure_of(std::move(outcome)));
        break;
      }
      fail(attempt, failure_of(std::move(outcome)), {});
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

void Runtime::succeed(const AttemptRef& attempt, task::Value result, const task::Value::Array& added) {
  const task::Task& task = attempt->task();
  log::debug("worker", "task {} [{}] done", task.name, task.id);
  if (added.empty()) return go_on(attempt, std::move(result));
  // Counted and sent before this part returns: until then its chord cannot be complete.
  auto then = [this, attempt, result](const task::Value&) { go_on(attempt, result); };
  auto sent = continuation_.add_parts(
      task, added,
      follows(attempt->delivery().ref, fmt::format("what task {} [{}] adds to its chord", task.name, task.id), then));
  if (sent) return;
  --settling_;
  bury(attempt->delivery(), &task, {"InvalidTaskError", sent.error().message}, sent.error().message);
}

void Runtime::replace(const AttemptRef& attempt, const task::Value& by) {
  const task::Task& task = attempt->task();
  log::debug("worker", "task {} [{}] is replaced", task.name, task.id);
  auto then = [this, attempt](const task::Value&) {
    acknowledge(attempt->delivery().ref);
    reached_when_written(loop_, Step::next_acked, attempt->id());
  };
  auto sent = continuation_.replace(
      task, by, attempt->queue(),
      follows(attempt->delivery().ref, fmt::format("what replaces task {} [{}]", task.name, task.id), then));
  if (sent) return;
  --settling_;
  Failure failure{"ImproperlyConfigured", sent.error().message};
  failure.exception = task::TaskException{failure.type, {task::Value(failure.message)}, "celery.exceptions"};
  bury(attempt->delivery(), &task, failure, failure.message);
}

void Runtime::go_on(const AttemptRef& attempt, task::Value result) {
  const task::Task& task = attempt->task();
  journal_->succeeded(task, result, wall_now() - attempt->started().value_or(wall_now()));
  if (!Continuation::follows_success(task)) return report_success(attempt, std::move(result), {});
  auto then = [this, attempt, result](task::Value children) { report_success(attempt, result, std::move(children)); };
  auto sent = continuation_.after_success(
      task, result,
      follows(attempt->delivery().ref, fmt::format("what follows task {} [{}]", task.name, task.id), std::move(then)));
  if (sent) return;
  --settling_;
  bury(attempt->delivery(), &task, {"InvalidTaskError", sent.error().message},
       fmt::format("it was done, but what follows it cannot be sent: {}", sent.error().message));
}

void Runtime::report_success(const AttemptRef& attempt, task::Value result, task::Value children) {
  const task::Task& done = attempt->task();
  const bool is_told =
      wants_result(done, registry_, config_.options, keeper_ != nullptr) || !done.embed.chord.is_null();
  // Of most tasks nobody asks for it: then nothing is made of it.
  if (!is_told && !Continuation::follows_success(done)) return acknowledge(attempt->delivery().ref);
  task::ResultMeta meta = success(done, std::move(result), wall_now());
  meta.children = std::move(children);
  // Result first, on the same connection: whoever sees the task gone can see its result.
  auto ack = [this, attempt] {
    const task::Task& task = attempt->task();
    const bool is_part = !task.embed.chord.is_null();
    const bool leads_on = Continuation::follows_success(task);
    if (leads_on) reached(Step::next_result_sent, task.id);
    acknowledge(attempt->delivery().ref);
    if (is_part || leads_on) reached_when_written(loop_, is_part ? Step::chord_acked : Step::next_acked, task.id);
  };
  if (attempt->task().embed.chord.is_null()) return send_result(attempt->task(), std::move(meta), std::move(ack));
  join_.end(attempt->task(), std::move(meta), safely(attempt->delivery().ref, std::move(ack)));
}

ChordJoin::Done Runtime::safely(const sdk::DeliveryRef& delivery, std::function<void()> then) {
  ++settling_;
  return [this, delivery, then = std::move(then)](bool safe) {
    if (over_) return;
    --settling_;
    if (safe) {
      then();
    } else {
      give_back(delivery);
    }
    end_when_idle();
  };
}

Continuation::Done Runtime::follows(const sdk::DeliveryRef& delivery, std::string what,
                                    std::function<void(task::Value children)> then) {
  ++settling_;
  return [this, delivery, what = std::move(what), then = std::move(then)](const Continuation::Ended& ended) {
    if (over_) return;
    --settling_;
    if (const auto* children = std::get_if<task::Value>(&ended)) {
      then(*children);
    } else {
      log::error("worker", "{} could not be sent, the task goes back to its queue: {}", what,
                 std::get<Continuation::Failed>(ended).reason);
      give_back(delivery);
    }
    end_when_idle();
  };
}

void Runtime::fail(const AttemptRef& attempt, Failure failure, std::optional<std::chrono::milliseconds> after,
                   std::uint32_t crashes) {
  const task::Task& task = attempt->task();
  const Registry::EntryRef entry = find(task);
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
  journal_->retried(task, failure);
  try_again(attempt, failure, delay, crashes);
}

void Runtime::try_again(const AttemptRef& attempt, const Failure& failure, std::chrono::milliseconds delay,
                        std::uint32_t crashes) {
  const task::Task& task = attempt->task();
  const sdk::Delivery& delivery = attempt->delivery();
  auto message = retry_message(delivery, task, failure, config_.options.name, wall_now(), delay);
  if (!message) {
    return bury(delivery, &task, failure, fmt::format("its retry could not be written: {}", message.error().message));
  }
  const std::uint32_t all = crashes > 0 ? crashes : worker::crashes(delivery);
  if (all > 0) message->properties.headers->set(crashes_header, static_cast<std::int32_t>(all));
  message->deadline = std::chrono::steady_clock::now() + settle_timeout;
  reached(Step::retry_decided, task.id);
  send_result(task, failed(task, task::state::retry, failure, wall_now()));
  link_.publish_delayed(std::move(*message), delivery.queue, delay,
                        settles(delivery.ref, fmt::format("the retry of task {} [{}]", task.name, task.id), task.name,
                                task.id, SettleSteps{Step::retry_confirmed, Step::retry_acked}));
  reached_when_written(loop_, Step::retry_published, task.id);
}

void Runtime::bury(const sdk::Delivery& delivery, const task::Task* task, Failure failure, std::string reason) {
  const bool is_part = task != nullptr && !task->embed.chord.is_null();
  if (task == nullptr || (!is_part && !Continuation::follows_failure(*task))) {
    return bury_alone(delivery, task, failure, reason);
  }
  auto kept = std::make_shared<const std::pair<sdk::Delivery, task::Task>>(delivery, *task);
  auto buried = safely(delivery.ref, [this, kept, failure, reason, is_part] {
    bury_alone(kept->first, &kept->second, failure, reason, !is_part);
  });
  auto tell = [this, kept, failure, is_part, buried](const task::Value&) {
    std::vector<task::Task> ended = Continuation::never_run(kept->second);
    if (is_part) ended.push_back(kept->second);
    join_.end_all(std::move(ended), failed(kept->second, task::state::failure, failure, wall_now()), buried);
  };
  auto what = fmt::format("the error callbacks of task {} [{}]", task->name, task->id);
  auto sent = continuation_.after_failure(*task, follows(delivery.ref, std::move(what), tell));
  if (sent) return;
  --settling_;
  log::error("worker", "task {} [{}]: its error callbacks cannot be sent: {}", task->name, task->id,
             sent.error().message);
  tell({});
}

void Runtime::bury_alone(const sdk::Delivery& delivery, const task::Task* task, const Failure& failure,
                         const std::string& reason, bool tell) {
  const std::string what = task ? fmt::format("task {} [{}]", task->name, task->id) : "a message";
  log::error("worker", "{} from queue '{}' to the dead-letter queue '{}': {}", what, delivery.queue,
             config_.options.dead_letter_queue, reason);
  if (task) journal_->failed(*task, failure);
  if (tally_) ++tally_->of(task ? std::string_view(task->name) : std::string_view()).dead;
  sdk::Publication message = dead_letter(delivery, task, failure, reason, config_.options.name, wall_now());
  message.routing_key = config_.options.dead_letter_queue;
  auto publish = [this, message = std::move(message), ref = delivery.ref, what, name = task ? task->name : "",
                  id = task ? task->id : ""]() mutable {
    message.deadline = std::chrono::steady_clock::now() + settle_timeout;
    link_.publish(std::move(message), settles(ref, "the dead letter of " + what, name, id,
                                              SettleSteps{Step::dead_confirmed, Step::dead_acked}));
    reached_when_written(loop_, Step::dead_published, id);
  };
  if (!task || !tell) return publish();
  send_result(*task, failed(*task, task::state::failure, failure, wall_now()), std::move(publish));
}

sdk::Done Runtime::settles(const sdk::DeliveryRef& delivery, std::string what, std::string name, std::string id,
                           std::optional<SettleSteps> steps) {
  ++settling_;
  return [this, delivery, what = std::move(what), name = std::move(name), id = std::move(id),
          steps](const sdk::Report& report) {
    if (over_) return;
    --settling_;
    if (report.ok()) {
      if (steps) reached(steps->confirmed, id);
      acknowledge(delivery);
      if (steps) reached_when_written(loop_, steps->acked, id);
    } else {
      log::error("worker", "{} could not be published, it goes back to its queue: {}", what, report.text);
      give_back(delivery);
      journal_->rejected(name, id, true);
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

void Runtime::send_result(const task::Task& task, task::ResultMeta meta, std::function<void()> then) {
  const bool wanted = wants_result(task, registry_, config_.options, keeper_ != nullptr);
  if (wanted && keeper_) {
    ++settling_;
    return keeper_->keep(std::move(meta), [this, then = std::move(then)] {
      --settling_;
      if (then) then();
      end_when_idle();
    });
  }
  sdk::Publication message;
  if (wanted) message = result_message(task, std::move(meta));
  if (message.routing_key.empty()) {
    if (then) then();
    return;
  }
  message.deadline = std::chrono::steady_clock::now() + settle_timeout;
  ++settling_;
  link_.publish(std::move(message), [this, id = task.id](const sdk::Report& report) {
    if (over_) return;
    --settling_;
    if (!report.ok()) log::warning("worker", "a result of task [{}] could not be sent: {}", id, report.text);
    end_when_idle();
  });
  // On the same connection, and therefore after it.
  if (then) then();
}

}  // namespace wherry::worker

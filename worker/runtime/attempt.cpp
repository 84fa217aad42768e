#include "worker/runtime/attempt.h"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/wall_clock.h"
#include "sdk/client/trace.h"
#include "worker/runtime/task_scope.h"

namespace wherry::worker {

Attempt::Attempt(std::shared_ptr<const Ways> ways, sdk::Delivery&& delivery, task::Task&& task)
    : ways_(std::move(ways)),
      delivery_(std::move(delivery)),
      task_(std::move(task)),
      trace_(sdk::trace_of(task_.headers)) {}

std::optional<WallTime> Attempt::started() const {
  const WallTime::rep since = started_.load(std::memory_order_acquire);
  return since == 0 ? std::nullopt : std::optional(WallTime(WallTime::duration(since)));
}

void Attempt::begin(std::optional<std::chrono::milliseconds> soft_time_limit, std::int64_t pid) {
  pid_.store(pid, std::memory_order_relaxed);
  started_.store(wall_now().time_since_epoch().count(), std::memory_order_release);
  if (!soft_time_limit) return;
  deadline_ = std::chrono::steady_clock::now() + *soft_time_limit;
  ways_->gate->post([self = shared_from_this()] {
    if (self->ended_) return;
    self->limit_timer_ = std::make_unique<net::Timer>(self->ways_->loop);
    self->limit_timer_->set(*self->deadline_, [weak = self->weak_from_this()] {
      if (auto limited = weak.lock()) limited->request_stop();
    });
  });
}

void Attempt::request_stop() {
  stop_.request_stop();
  wake_all();
}

void Attempt::end() {
  ended_ = true;
  limit_timer_.reset();
  wake_all();
}

void Attempt::report(task::Value meta) {
  ways_->gate->post([self = shared_from_this(), meta = std::move(meta)]() mutable {
    if (!self->ended_) self->ways_->report(*self, std::move(meta));
  });
}

void Attempt::add_part(task::Signature part) {
  if (task_.embed.chord.is_null() || task_.group.empty()) {
    throw std::logic_error("task " + name() + " is no part of a chord that could be added to");
  }
  const std::lock_guard lock(adding_);
  added_.push_back(task::write_signature(part));
}

task::Value::Array Attempt::take_added() {
  const std::lock_guard lock(adding_);
  return std::exchange(added_, {});
}

void Attempt::write_log(LogLevel level, std::string_view text) const {
  const auto as = static_cast<log::Level>(level);
  if (log::level() > as) return;
  const TaskScope about(*this);
  // As JSON the task is in fields of its own.
  log::write(as, "task",
             log::format() == log::Format::json ? std::string(text) : fmt::format("{} [{}] {}", name(), id(), text));
}

Pending<> Attempt::sleep(std::chrono::milliseconds duration) {
  auto waiting = std::make_shared<detail::Shared<void>>(ways_->resume_on);
  ways_->gate->post([self = shared_from_this(), waiting, duration] {
    if (self->ended_ || self->stop_.stop_requested()) return waiting->settle({});
    const auto number = ++self->last_sleeper_;
    auto sleeper = std::unique_ptr<Sleeper>(new Sleeper{net::Timer(self->ways_->loop), waiting});
    sleeper->timer.set(duration, [weak = self->weak_from_this(), number] {
      if (auto woken = weak.lock()) woken->wake(number);
    });
    self->sleepers_.emplace(number, std::move(sleeper));
  });
  return Pending<>(std::move(waiting));
}

void Attempt::wake(std::uint64_t sleeper) {
  auto node = sleepers_.extract(sleeper);
  if (!node.empty()) node.mapped()->waiting->settle({});
}

void Attempt::wake_all() {
  for (auto& [number, sleeper] : std::exchange(sleepers_, {})) sleeper->waiting->settle({});
}

}  // namespace wherry::worker

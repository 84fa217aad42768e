// What becomes of tasks that took a process or a whole worker along. Of a process this worker knows; of workers the
// broker does, which counts (docs/worker.md has the rules). Who was to blame it cannot tell when a worker had several
// tasks: so the last chance is taken alone.
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "worker/runtime/runtime.h"

namespace wherry::worker {

namespace {

// A trial waits for what runs here, but not for ever: that may wait for the one on trial.
constexpr std::chrono::seconds alone_within{30};
constexpr std::chrono::seconds round_timeout{30};

}  // namespace

// A crash counts twice: as a failed attempt, and against the crash budget. What crashes each time is not worth all the
// retries that a task may have which now and then finds a server busy.
void Runtime::crashed(const AttemptRef& attempt, Failure failure) {
  const std::uint32_t all = crashes(attempt->delivery()) + 1;
  if (all < config_.options.crash_budget) return fail(attempt, std::move(failure), {}, all);
  std::string reason = fmt::format("it has taken {} process(es) along, which is its crash budget; the last time {}",
                                   all, failure.message);
  bury(attempt->delivery(), &attempt->task(), std::move(failure), std::move(reason));
}

bool Runtime::met_crashes(const AttemptRef& attempt) {
  const sdk::Delivery& delivery = attempt->delivery();
  // Somebody is alone here, and is to stay so.
  if (trial_) {
    return_unbegun(delivery);
    return true;
  }
  const std::uint32_t lost = losses(delivery);
  if (lost == 0) return false;
  const task::Task& task = attempt->task();
  const bool began = !task.eta || *task.eta <= wall_now();
  if (!began) {
    // It only waited in the workers that were lost. Where that cannot be made forgotten, it waits here as it did there.
    const bool counted_anew = delivery.properties.headers->find("x-lost-count") || sent_round(delivery);
    if (counted_anew) return_unbegun(delivery);
    return counted_anew;
  }
  const std::uint32_t all = crashes(delivery);
  if (all >= config_.options.crash_budget) {
    const Failure failure{"WorkerLostError", fmt::format("{} worker(s) or process(es) that ran it were lost", all)};
    bury(delivery, &task, failure, fmt::format("crash budget: {}, and it is not run again", failure.message));
    return true;
  }
  if (all + 1 < config_.options.crash_budget) return false;
  begin_trial(attempt);
  return true;
}

// --- the last chance -------------------------------------------------------------------------------------------------

void Runtime::begin_trial(const AttemptRef& attempt) {
  log::warning("worker", "task {} [{}] was lost with its worker {} time(s): it is run alone", attempt->name(),
               attempt->id(), losses(attempt->delivery()));
  trial_ = attempt;
  alone_ = false;
  set_prefetch();  // First, so that what is returned does not come back at once.
  return_all_unbegun();
  auto timer = std::make_unique<net::WallTimer>(loop_);
  timer->set(wall_now() + alone_within, [this] { run_trial(); });
  held_.emplace(attempt, std::move(timer));
  // Whatever the broker still counts as being here would be lost, and blamed, with it. Once for what was on its way,
  // which is returned as it comes, and once more for the broker to have that.
  ask_whether_alone(attempt, 2);
}

void Runtime::ask_whether_alone(const AttemptRef& attempt, unsigned rounds) {
  link_.when_processed(subscription_, [this, attempt, rounds] {
    if (over_ || trial_ != attempt) return;
    if (rounds > 1) return ask_whether_alone(attempt, rounds - 1);
    alone_ = true;
    look_after_trial();
  });
}

void Runtime::run_trial() {
  const auto node = held_.extract(trial_);  // Keeps the timer until this function has ended.
  run(trial_);
  look_after_trial();
}

void Runtime::look_after_trial() {
  if (!trial_) return;
  if (held_.contains(trial_)) {
    if (alone_ && running_.empty() && settling_ == 0) run_trial();
  } else if (!running_.contains(trial_) || trial_->lost || trial_->settled) {
    trial_.reset();
    set_prefetch();
  }
}

void Runtime::return_unbegun(const sdk::Delivery& delivery) {
  auto again = sent_round(delivery);
  if (!again) return link_.nack(delivery.ref, true);
  again->deadline = std::chrono::steady_clock::now() + round_timeout;
  link_.publish(std::move(*again), settles(delivery.ref, "a task that is given back", {}, {}));
}

std::size_t Runtime::return_all_unbegun() {
  std::vector<AttemptRef> all;
  std::erase_if(held_, [&](const auto& each) {
    if (each.first == trial_) return false;
    all.push_back(each.first);
    return true;
  });
  throttle_.forget([&](const AttemptRef& attempt) {
    all.push_back(attempt);
    return true;
  });
  std::erase_if(running_, [&](const AttemptRef& attempt) {
    if (attempt == trial_ || !attempt->executor->withdraw(*attempt)) return false;
    all.push_back(attempt);
    return true;
  });
  for (const AttemptRef& attempt : all) return_unbegun(attempt->delivery());
  return all.size();
}

}  // namespace wherry::worker

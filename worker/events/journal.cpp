#include "worker/events/journal.h"

#include "base/iso8601.h"
#include "protocol/task/repr.h"

namespace wherry::worker {

namespace {

using Fields = task::Value::Map;

task::Value id_or_null(const std::string& id) {
  return id.empty() ? task::Value() : task::Value(id);
}

task::Value time_or_null(const std::optional<WallTime>& time) {
  return time ? task::Value(format_iso8601(*time)) : task::Value();
}

// As Python prints an exception: ValueError('no such user').
std::string exception_repr(const Failure& failure) {
  return failure.type + "(" + task::repr(failure.message) + ")";
}

Fields failure_fields(const Failure& failure) {
  return {{"exception", exception_repr(failure)}, {"traceback", failure.traceback}};
}

}  // namespace

void Journal::received(const task::Task& task) {
  if (tally_ != nullptr) ++tally_->of(task.name).received;
  if (!wanted()) return;
  events_->task("task-received", task.id,
                Fields{{"name", task.name},
                       {"args", task.argsrepr.empty() ? task::args_repr(task.args) : task.argsrepr},
                       {"kwargs", task.kwargsrepr.empty() ? task::kwargs_repr(task.kwargs) : task.kwargsrepr},
                       {"root_id", task.root_id.empty() ? task.id : task.root_id},
                       {"parent_id", id_or_null(task.parent_id)},
                       {"retries", task.retries},
                       {"eta", time_or_null(task.eta)},
                       {"expires", time_or_null(task.expires)}});
}

void Journal::started(const task::Task& task) {
  if (wanted()) events_->task("task-started", task.id);
}

void Journal::ran(const task::Task& task) {
  ++total_;
  if (auto known = totals_.find(task.name); known != totals_.end()) {
    ++known->second;
  } else {
    totals_.emplace(task.name, 1);
  }
}

void Journal::succeeded(const task::Task& task, const task::Value& result, std::chrono::duration<double> runtime) {
  if (tally_ != nullptr) ++tally_->of(task.name).succeeded;
  if (!wanted()) return;
  events_->task("task-succeeded", task.id, Fields{{"result", task::repr(result)}, {"runtime", runtime.count()}});
}

void Journal::failed(const task::Task& task, const Failure& failure) {
  if (tally_ != nullptr) ++tally_->of(task.name).failed;
  if (wanted()) events_->task("task-failed", task.id, failure_fields(failure));
}

void Journal::retried(const task::Task& task, const Failure& failure) {
  if (tally_ != nullptr) ++tally_->of(task.name).retried;
  if (wanted()) events_->task("task-retried", task.id, failure_fields(failure));
}

void Journal::revoked(const task::Task& task, bool terminated, int signal, bool expired) {
  if (tally_ != nullptr) ++tally_->of(task.name).revoked;
  if (!wanted()) return;
  events_->task("task-revoked", task.id,
                Fields{{"terminated", terminated},
                       {"signum", signal == 0 ? task::Value() : task::Value(signal)},
                       {"expired", expired}});
}

void Journal::rejected(const std::string& task_name, const std::string& task_id, bool requeue) {
  if (tally_ != nullptr) ++tally_->of(task_name).rejected;
  if (wanted() && !task_id.empty()) events_->task("task-rejected", task_id, Fields{{"requeue", requeue}});
}

}  // namespace wherry::worker

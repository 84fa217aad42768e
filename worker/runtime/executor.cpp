#include "worker/runtime/executor.h"

#include <utility>

#include "wherry/trace.h"
#include "worker/runtime/task_scope.h"

namespace wherry::worker {

void run_function(const Registry::EntryRef& entry, const AttemptRef& attempt, detail::Finish finish) {
  const TraceScope scope(attempt->trace());
  const TaskScope about(*attempt);
  // What runs keeps its function and its context.
  auto finished = [entry, attempt, finish](detail::Outcome outcome) {
    outcome.added = attempt->take_added();
    finish(std::move(outcome));
  };
  const task::Task& task = attempt->task();
  auto bound = entry->run({task.args, task.kwargs}, *attempt, std::move(finished));
  if (bound) return;
  detail::Outcome outcome;
  outcome.kind = detail::Outcome::Kind::dead;
  outcome.error_type = "TypeError";
  outcome.reason = bound.error().message;
  finish(std::move(outcome));
}

}  // namespace wherry::worker

// Continuation: what a task's message says shall come after it, done by the worker that ran it, as Celery's tracer
// does.
//
//   succeeded   callbacks and the next link of the chain are sent, with the result as their first argument unless they
//               are immutable; they become the task's children
//   replaced    the workflow that takes its place is sent, with all that was to follow the task behind it
//   failed      error callbacks are sent, with the task's id as their first argument; what would have come after it in
//               its chain has failed likewise, and whoever waits for that is told
//
// The children get the task's root, its id as their parent, and its stamps. Where they go is said by their signature,
// else by this worker's routes. Everything is confirmed by the broker before it is reported, so that a task is
// acknowledged only when nothing that follows it can be lost: what follows may be sent twice, but not be forgotten.
//
// Threads: the loop's. Lifetime: as sdk::Dispatcher; the backend outlives it.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "protocol/task/envelope.h"
#include "protocol/task/plan.h"
#include "sdk/client/dispatcher.h"
#include "sdk/results/backend.h"
#include "worker/steps/step.h"

namespace wherry::worker {

class Continuation {
 public:
  // backend: where the sizes of chords are told; null where no results are stored, and chords cannot be sent.
  Continuation(net::EventLoop& loop, sdk::Link& link, sdk::Router router, results::ResultBackend* backend = nullptr)
      : loop_(loop), dispatcher_(link, std::move(router)), backend_(backend) {}

  // For what is sent from now on.
  void set_router(sdk::Router router) { dispatcher_.set_router(std::move(router)); }

  // Whether anything is to be done after such an end; if not, do not ask for it.
  static bool follows_success(const task::Task& task);
  static bool follows_failure(const task::Task& task);

  // What became of it: the children as result tuples; or a publish that failed, and the task should be run again.
  struct Failed {
    std::string reason;
  };
  using Ended = std::variant<task::Value, Failed>;
  using Done = std::function<void(const Ended&)>;

  // Errors: a signature in the message that cannot be sent, ever; done is not called then.
  Result<void> after_success(const task::Task& task, const task::Value& result, Done done);
  Result<void> after_failure(const task::Task& task, Done done);

  // queue: where the task came from. Errors: nothing that could take its place; done is not called then.
  Result<void> replace(const task::Task& task, const task::Value& by, const std::string& queue, Done done);
  // More parts of the chord that part is one of, as data. They are counted before they are sent. Errors: likewise.
  Result<void> add_parts(const task::Task& part, const task::Value::Array& parts, Done done);

  // The body of the chord that part was the last of.
  Result<void> call_body(const task::Task& part, const task::Signature& body, task::Value::Array results, Done done);

  // The tasks that will never run now that this one has failed, as far as anybody waits for them: enough of each to
  // report its failure.
  static std::vector<task::Task> never_run(const task::Task& task);
  // Likewise the tasks that a signature ends with: itself, a chain's last, a chord's body, all of a group. parent: the
  // task that it would have followed.
  static std::vector<task::Task> ends_of(const task::Signature& signature, const task::Task& parent);
  // The first task that a signature would have sent, with what would have followed it.
  static task::Task task_of(const task::Signature& signature, const task::Task& parent);

 private:
  // Which steps it is that what follows is published, and confirmed.
  struct Steps {
    Step published = Step::next_published;
    Step confirmed = Step::next_confirmed;
  };
  // added: parts of the task's own chord that are among what is sent.
  Result<void> send(const task::Task& from, task::Plan plan, Done done, Steps steps, std::int64_t added = 0);

  net::EventLoop& loop_;
  sdk::Dispatcher dispatcher_;
  results::ResultBackend* const backend_;
};

}  // namespace wherry::worker

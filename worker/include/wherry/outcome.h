// What a task's function may say besides returning its result: by throwing one of these.
//
//   throw wherry::Retry{.after = 30s, .reason = "mailbox busy"};   // again later, counted as an attempt
//   throw wherry::Dead{"no such account"};                         // never again: to the dead-letter queue
//   throw wherry::Raise{.type = "ValueError", .arguments = {"no such account"}};   // a failure, as Python knows it
//   throw wherry::Replace(sig(fetch, url) | sig(parse));           // a workflow in this task's place
//
// Any other exception is a failure: it is retried as the task's RetryPolicy says, then goes to the dead-letter queue.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "protocol/task/signature.h"
#include "protocol/task/value.h"

namespace wherry {

struct Retry {
  std::optional<std::chrono::milliseconds> after = {};  // Default: what the task's policy gives for this attempt.
  std::string reason = {};
};

struct Dead {
  std::string reason;
};

// A failure like that of any exception, which Python callers get as an exception of theirs.
struct Raise {
  std::string type = {};
  task::Value::Array arguments = {};  // What it has in .args; the first is usually the message.
  std::string module = "builtins";    // Where Python finds the type.
};

// The task is not done but replaced, by a workflow of wherry/canvas.h that needs no more arguments, or by a signature
// that came from elsewhere: it takes over the id, the callbacks, what follows in the chain, and the place in a chord
// (docs/workflows.md).
struct Replace {
  template <class Workflow>
  requires requires(const Workflow& workflow) {
    typename Workflow::Input;
    workflow.signature();
  }
  explicit Replace(const Workflow& workflow) : by(workflow.signature()) {
    static_assert(std::is_empty_v<typename Workflow::Input>, "what replaces a task needs all of its arguments");
  }
  explicit Replace(task::Signature signature) : by(std::move(signature)) {}
  task::Signature by;
};

// When a failed attempt is tried again. The wait before attempt n+1 is a random time between zero (full jitter) and
// base * factor^(n-1), at most max; without jitter that time itself. The wait is held by the broker.
struct RetryPolicy {
  std::uint32_t max_retries = 3;  // Attempts beyond the first; 0 = never.
  std::chrono::milliseconds base{1'000};
  double factor = 2.0;
  std::chrono::milliseconds max{600'000};
  bool jitter = true;
};

// Where a task's function runs: on a thread of the worker's process, or in a process of its own that it takes along
// when it crashes, leaks or hangs (docs/pools.md).
enum class Isolate { thread, process };

struct TaskOptions {
  std::optional<RetryPolicy> retry = {};  // Default: the worker's, which app.yaml may set per task name.
  // After this the context's stop token is set and its deadline has passed; the function is expected to return soon.
  std::optional<std::chrono::milliseconds> soft_time_limit = {};
  // After this the process that it runs in is killed, and it has failed. A thread cannot be ended: there it is not
  // kept.
  std::optional<std::chrono::milliseconds> time_limit = {};
  std::optional<Isolate> isolate = {};  // Default: the worker's pool.
  // Celery's rate_limit, of each worker by itself: "10/s", "10/m", "10/h". Empty: none.
  std::string rate_limit = {};
  bool ignore_result = false;  // No result is sent or stored, as if each message said so.
};

namespace detail {

// How an attempt ended, as the runtime sees it.
struct Outcome {
  enum class Kind { done, failed, retry, dead, replaced };
  Kind kind = Kind::done;
  task::Value result = {};                              // done; replaced: the signature, as data.
  task::Value::Array added = {};                        // done: signatures of more parts of its chord.
  std::optional<Raise> raised = {};                     // failed: what Python gets, instead of type and reason.
  std::string error_type = {};                          // failed: the exception's type, as Python would name it.
  std::string reason = {};                              // failed, retry, dead
  std::optional<std::chrono::milliseconds> after = {};  // retry
  bool crashed = false;                                 // failed: it took its process along.
  std::string traceback = {};                           // failed: where, when that is known.
};
// Called once, on any thread.
using Finish = std::function<void(Outcome)>;

// The outcome of the exception that is being handled.
Outcome outcome_of_current_exception();

}  // namespace detail
}  // namespace wherry

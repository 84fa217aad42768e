// What a task's function may say besides returning its result: by throwing one of these.
//
//   throw wherry::Retry{.after = 30s, .reason = "mailbox busy"};   // again later, counted as an attempt
//   throw wherry::Dead{"no such account"};                         // never again: to the dead-letter queue
//
// Any other exception is a failure: it is retried as the task's RetryPolicy says, then goes to the dead-letter queue.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "protocol/task/value.h"

namespace wherry {

struct Retry {
  std::optional<std::chrono::milliseconds> after = {};  // Default: what the task's policy gives for this attempt.
  std::string reason = {};
};

struct Dead {
  std::string reason;
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
  enum class Kind { done, failed, retry, dead };
  Kind kind = Kind::done;
  task::Value result = {};                              // done
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

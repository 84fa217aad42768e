// Executor: where the functions of attempts run. On threads of this process (ThreadExecutor), or in processes of their
// own (ProcessExecutor); the runtime hands an attempt to the one that its task asks for and does not know the
// difference.
//
// Threads: everything on the loop's; Job's callbacks come on any thread. Lifetime: it outlives what the runtime counts
// as running; abandon() is for the end of the process, when functions still run.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "protocol/task/value.h"
#include "wherry/registry.h"
#include "worker/runtime/attempt.h"

namespace wherry::worker {

class Executor {
 public:
  struct Job {
    AttemptRef attempt;
    Registry::EntryRef entry;
    std::optional<std::chrono::milliseconds> soft_time_limit = {};
    std::optional<std::chrono::milliseconds> time_limit = {};  // Where it can be kept.
    std::function<void()> began = {};                          // Null when nobody asks.
    detail::Finish finish = {};
  };

  virtual ~Executor() = default;

  // Runs it as soon as one of its slots is free, in the order given.
  virtual void run(Job job) = 0;
  // Takes back what has not begun. False: it has begun, or is done.
  virtual bool withdraw(const Attempt& attempt) = 0;
  // Sets the stop token of what runs.
  virtual void ask_to_stop(const AttemptRef& attempt) = 0;
  // Asks what runs to stop; ends it where that is possible. Its outcome still comes.
  virtual void terminate(const AttemptRef& attempt, int signal) = 0;

  virtual unsigned slots() const = 0;
  // How many run at once from now on; what runs above that is finished first. Errors: the system gives no more.
  virtual Result<void> resize(unsigned slots) = 0;
  // Fresh slots, once what runs in the old ones is done. Errors: it has nothing to make anew.
  virtual Result<void> restart() = 0;
  // For `celery inspect stats`: implementation, processes and so on.
  virtual task::Value::Map info() const = 0;

  // Waits for what runs; what has not begun is dropped. Nothing may run any more when the loop has ended.
  virtual void stop() = 0;
  // Waits for nothing.
  virtual void abandon() = 0;
};

// Runs the attempt's function on this thread, within the attempt's trace; arguments that do not fit are an outcome too.
// finish: once, at some time; the function may be a coroutine, which goes on after this has returned.
void run_function(const Registry::EntryRef& entry, const AttemptRef& attempt, detail::Finish finish);

}  // namespace wherry::worker

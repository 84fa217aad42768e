// Context: what a running task may know of itself, and how it reports progress.
//
// Threads: any, at the same time. Lifetime: until the function (or coroutine) of the attempt has returned.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "protocol/task/convert.h"
#include "protocol/task/value.h"
#include "wherry/pending.h"

namespace wherry {

class Context {
 public:
  virtual ~Context() = default;

  virtual const std::string& id() const = 0;    // The task's id, the same in every attempt.
  virtual const std::string& name() const = 0;  // Its wire name.
  virtual std::uint32_t attempt() const = 0;    // 1 for the first.
  virtual const std::string& queue() const = 0;
  virtual bool redelivered() const = 0;  // A worker had it before and did not finish it.
  // Set when the task should end early: its soft time limit has passed, or the worker was told to stop at once.
  virtual std::stop_token stop_token() const = 0;
  // When the soft time limit ends; nothing without one.
  virtual std::optional<std::chrono::steady_clock::time_point> deadline() const = 0;

  // For coroutines: co_await context.sleep(200ms). Ends early when the stop token is set.
  virtual Pending<> sleep(std::chrono::milliseconds duration) = 0;

  // Tells whoever waits for the result: Job::on_progress at a Wherry client, state PROGRESS at a Celery one. meta is
  // any convertible value, best a struct or map. Cheap, never blocks; nothing happens when nobody waits.
  template <class T>
  void progress(const T& meta) {
    report(task::to_value(meta));
  }

 protected:
  virtual void report(task::Value meta) = 0;
};

}  // namespace wherry

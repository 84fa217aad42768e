// Context: what a running task may know of itself, and how it reports progress.
//
// Threads: any, at the same time. Lifetime: until the function (or coroutine) of the attempt has returned.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>

#include "protocol/task/convert.h"
#include "protocol/task/signature.h"
#include "protocol/task/value.h"
#include "wherry/pending.h"
#include "wherry/trace.h"

namespace wherry {

enum class LogLevel { debug, info, warning, error };

class Context {
 public:
  virtual ~Context() = default;

  virtual const std::string& id() const = 0;    // The task's id, the same in every attempt.
  virtual const std::string& name() const = 0;  // Its wire name.
  virtual std::uint32_t attempt() const = 0;    // 1 for the first.
  virtual const std::string& queue() const = 0;
  // Of its workflow: the task that all goes back to, itself if it begins here; the task that it follows, or empty.
  virtual const std::string& root_id() const = 0;
  virtual const std::string& parent_id() const = 0;
  virtual std::uint8_t priority() const = 0;  // Of its message; 0 without one.
  virtual bool redelivered() const = 0;       // A worker had it before and did not finish, or not even begin, it.
  // Set when the task should end early: its soft time limit has passed, or the worker was told to stop at once.
  virtual std::stop_token stop_token() const = 0;
  // When the soft time limit ends; nothing without one.
  virtual std::optional<std::chrono::steady_clock::time_point> deadline() const = 0;

  // The trace that came with the task. What the function enqueues on its own thread carries it by itself.
  virtual const Trace& trace() const {
    static const Trace none;
    return none;
  }

  // A line in the worker's log that says which task it is about: as text its name and id are in front; as JSON
  // (log_format: json) they are fields beside the attempt, the queue and the trace. Cheap when the level is not logged.
  void log(std::string_view text) const { write_log(LogLevel::info, text); }
  void log(LogLevel level, std::string_view text) const { write_log(level, text); }

  // For coroutines: co_await context.sleep(200ms). Ends early when the stop token is set.
  virtual Pending<> sleep(std::chrono::milliseconds duration) = 0;

  // Makes a workflow (wherry/canvas.h) another part of the chord that this task is a part of, a group as many as it
  // has tasks. It is sent when the function has returned; an attempt that fails adds nothing. Throws std::logic_error
  // in a task that is no part of a chord.
  template <class Workflow>
  void add_to_chord(const Workflow& workflow) {
    static_assert(std::is_empty_v<typename Workflow::Input>, "what is added to a chord needs all of its arguments");
    add_part(workflow.signature());
  }

  // Tells whoever waits for the result: Job::on_progress at a Wherry client, state PROGRESS at a Celery one. meta is
  // any convertible value, best a struct or map. Cheap, never blocks; nothing happens when nobody waits.
  template <class T>
  void progress(const T& meta) {
    report(task::to_value(meta));
  }

 protected:
  virtual void report(task::Value meta) = 0;
  virtual void add_part(task::Signature part) = 0;
  // Virtual, because a library of tasks has a copy of all else, which knows nothing of the worker's settings.
  virtual void write_log(LogLevel, std::string_view) const {}
};

}  // namespace wherry

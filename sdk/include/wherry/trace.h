// The trace that a piece of work belongs to (W3C Trace Context), carried from who enqueues to who runs, through retries
// and to what the task enqueues itself: the message headers traceparent and tracestate, where OpenTelemetry's
// instrumentation of Celery reads and writes them too.
//
//   wherry::TraceScope scope({.traceparent = request.header("traceparent")});
//   client.enqueue(SendEmail{...});          // Carries it. In the task: context.trace().
//
// A header that EnqueueOptions::headers sets wins. Nothing is made up or changed on the way: who records spans makes
// one for the task, and a scope of it for what the task enqueues.
//
// Threads: a scope is of the thread that made it, and ends there. In a coroutine it holds up to the first co_await:
// after that, make another, or set the headers.
#pragma once

#include <string>

namespace wherry {

struct Trace {
  std::string traceparent = {};  // "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"; empty: no trace.
  std::string tracestate = {};
  friend bool operator==(const Trace&, const Trace&) = default;
};

// Of this thread, by its innermost scope.
const Trace& current_trace();

class [[nodiscard]] TraceScope {
 public:
  explicit TraceScope(Trace trace);
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  Trace outer_;
};

}  // namespace wherry

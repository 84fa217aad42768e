#include "sdk/client/trace.h"

#include <utility>

namespace wherry {

namespace {

thread_local Trace trace_of_this_thread;

}  // namespace

const Trace& current_trace() {
  return trace_of_this_thread;
}

TraceScope::TraceScope(Trace trace) : outer_(std::exchange(trace_of_this_thread, std::move(trace))) {}

TraceScope::~TraceScope() {
  trace_of_this_thread = std::move(outer_);
}

namespace sdk {

void carry_trace(amqp::Table& headers) {
  const Trace& trace = current_trace();
  if (trace.traceparent.empty() || headers.find("traceparent")) return;
  headers.set("traceparent", trace.traceparent);
  if (!trace.tracestate.empty()) headers.set("tracestate", trace.tracestate);
}

Trace trace_of(const amqp::Table& headers) {
  Trace trace;
  if (const std::string* parent = headers.string("traceparent")) trace.traceparent = *parent;
  if (const std::string* state = headers.string("tracestate")) trace.tracestate = *state;
  return trace;
}

}  // namespace sdk

}  // namespace wherry

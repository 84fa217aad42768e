// The trace's headers on messages. Threads: plain functions.
#pragma once

#include "protocol/amqp/table.h"
#include "wherry/trace.h"

namespace wherry::sdk {

// Adds this thread's trace, unless the headers have one.
void carry_trace(amqp::Table& headers);
Trace trace_of(const amqp::Table& headers);

}  // namespace wherry::sdk

// The queues, exchange and bindings of a workload: made before a run, removed after it.
// Errors: the broker's refusals. Threads: one at a time.
#pragma once

#include "base/result.h"
#include "perf/connection.h"
#include "perf/workload.h"

namespace wherry::perf {

// Removes what an earlier run may have left first: every run begins with empty queues.
Result<void> declare_topology(Connection& connection, const Workload& workload);
Result<void> remove_topology(Connection& connection, const Workload& workload);
// How many messages are ready in all of its queues. Their absence is an error.
Result<std::uint64_t> messages_ready(Connection& connection, const Workload& workload);

}  // namespace wherry::perf

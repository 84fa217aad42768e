// What a worker shows of itself to `celery inspect` and to Flower, as the values that they expect. Pure, but for what
// the system says of the process.
//
// Threads: no state. Format: docs/control.md, celery/worker/control.py.
#pragma once

#include "worker/control/clock.h"
#include "worker/control/steering.h"

namespace wherry::worker {

// One task, as active, reserved, scheduled and query_task show it. safe: its arguments as text.
task::Value request_info(const Attempt& attempt, std::string_view node, bool safe);

task::Value list_tasks(const Steering& worker, Steering::Stage stage, bool safe);
task::Value list_scheduled(const Steering& worker);
// {id: [state, info]}; those that are not here are left out.
task::Value query_tasks(const Steering& worker, const task::Value* ids);
// "name" or "name [rate_limit=10/m]". items: which of a task's options to show; null: those that Celery shows.
task::Value list_registered(const Steering& worker, const task::Value* items);
task::Value list_queues(const Steering& worker);
task::Value stats(const Steering& worker, const Clock& clock, std::chrono::seconds uptime);
task::Value configuration(const Steering& worker);
std::string report(const Steering& worker);
std::string memory_sample();  // "12.3MB": what the process has in memory.

}  // namespace wherry::worker

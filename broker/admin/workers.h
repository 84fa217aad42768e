// Asking workers, for the handlers that do: who may, whom, and what they answered.
//
// Who may publish to the exchange celery.pidbox may: what a client needs for the same. Threads: the desk's; it blocks
// until all have answered that are known to be there, for RemoteControl::patience at most.
#pragma once

#include <string>

#include "broker/admin/remote_control.h"
#include "broker/admin/request.h"

namespace wherry::broker::admin {

// Errors: it may not, or no such virtual host.
Outcome<void> may_ask_workers(Desk& desk, const Request& request);
// worker: its name; empty or "*": all.
Outcome<WorkerAnswers> ask_workers(Desk& desk, const Request& request, WorkerCommand command,
                                   const std::string& worker);
// {"answers": {NAME: what it said}}
Table answers_row(const WorkerAnswers& answers);

}  // namespace wherry::broker::admin

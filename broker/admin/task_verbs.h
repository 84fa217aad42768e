// The verbs of wherryctl that are about tasks: tasks, task, task_names, workers, tell_worker, revoke, retry,
// enqueue, list_schedules, run_schedule. The management API's handlers answer them; docs/control-socket.md has the
// keys. Threads: the desk's.
#pragma once

#include <string_view>

#include "broker/admin/desk.h"

namespace wherry::broker::admin {

bool is_task_verb(std::string_view name);
// Of a verb that is one.
Outcome<amqp::FieldValue> run_task_verb(Desk& desk, const amqp::Table& request);

}  // namespace wherry::broker::admin

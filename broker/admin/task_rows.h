// Rows of tasks and workers, as docs/management.md has them. Threads: plain functions.
#pragma once

#include "broker/admin/rows.h"
#include "broker/tasks/memory.h"

namespace wherry::broker::admin {

// Arguments, results and errors are for those who may read events; the rest is for who sees the virtual host.
enum class Contents { hidden, shown };

Table task_row(const tasks::Life& life, Contents contents);
// With its attempts, steps, parent and children.
Table whole_task(const tasks::Memory& memory, const tasks::Life& life, Contents contents);
FieldArray task_name_rows(const tasks::Memory& memory);
Table state_counts(const tasks::Memory& memory);
// worker: null where nothing is known but its name.
Table worker_row(const std::string& name, const tasks::Worker* worker, WallTime now);

}  // namespace wherry::broker::admin

// Replacement: signatures that take a place which another task has: that of a task which is replaced while it runs, and
// one beside it in its chord. Celery's Task.replace() and Task.add_to_chord().
//
//   auto signature = in_place_of(task, *read_signature(value));
//   auto plan = make_plan(*signature, {.chain = task.embed.chain, ...}, now);
//
// What follows the task in its chain goes into the plan's start; everything else is in the signature. Pure.
// Threads: no state. Errors: one sentence that says why this cannot stand there.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "protocol/task/envelope.h"
#include "protocol/task/signature.h"

namespace wherry::task {

// The task that collects the results of a group that takes the place of one task; every worker knows it.
inline constexpr std::string_view accumulate_task = "celery.accumulate";

// Ends with the task's id, calls its callbacks there, its error callbacks where it fails, and is the part of a chord
// that the task is. A group at its end is collected to one result, a list.
Result<Signature> in_place_of(const Task& task, Signature by);

// Another part of the chord that the task is a part of. number: which of those that the task adds; the same task and
// number give the same ids, whenever that is asked.
Result<Signature> beside(const Task& task, Signature part, std::size_t number);

}  // namespace wherry::task

// From a workflow and the options of its enqueue to the messages that begin it, and what their results are waited for
// by. The untyped side of wherry/canvas.h.
//
// Errors: ClientError(invalid_argument) that names the option or the task. Threads: plain functions.
#pragma once

#include <string>
#include <vector>

#include "protocol/task/plan.h"
#include "sdk/client/encode.h"
#include "sdk/client/routes.h"

namespace wherry::sdk {

struct OutgoingWorkflow {
  std::vector<Outgoing> messages;
  std::vector<task::ChordSize> chords;  // To be stored before the first is published.
  std::string id;                       // Of the task that it ends with, or of the group.
  std::vector<std::string> job_ids;     // One, or those of the group's tasks in order.
};

// Where each task goes is decided here for all of them, also those that a worker will send: by its own options, else by
// those of the enqueue, else by this client's routes.
OutgoingWorkflow encode_workflow(task::Signature workflow, const EnqueueOptions& options, const Router& router,
                                 const Sender& sender, WallTime now);

// Celery's names for the options of a signature.
void add_options(task::Value::Map& into, const EnqueueOptions& options, WallTime now);

}  // namespace wherry::sdk

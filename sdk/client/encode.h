// From a call and its options to a message, and from a message on the reply queue to news of a task.
//
// Errors: ClientError(invalid_argument) that names the option. Threads: plain functions.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "protocol/task/plan.h"
#include "protocol/task/result.h"
#include "sdk/client/job.h"
#include "sdk/client/routes.h"
#include "sdk/link/link.h"
#include "wherry/options.h"
#include "wherry/task.h"

namespace wherry::sdk {

// A task on its way.
struct Outgoing {
  std::string task_id;
  Publication message;   // Without its deadline.
  std::string queue;     // Empty when it goes to an exchange of the caller's.
  TopologyRef topology;  // What must be there before.
  std::chrono::milliseconds delay{0};
  // The broker must look for duplicates: it says that it can, and refuses nothing of this (where it is empty, of
  // topology).
  bool unique = false;
  Topology unique_topology = {};
};

struct Sender {
  std::string reply_to;  // Empty: results do not come over a queue.
  Serializer serializer = Serializer::msgpack;
  bool results = true;  // false: nobody wants any.
  Compression compression = Compression::none;
};

// Throws for options that exclude each other or are out of range. task: its name.
void check_options(const std::string& task, const EnqueueOptions& options);

Outgoing encode_call(Call<void> call, const EnqueueOptions& options, const Route& route, const Sender& sender,
                     WallTime now);

// A task of a workflow (protocol/task/plan.h), on the way that its signature or its route says.
// Errors: what of it cannot be written.
Result<Outgoing> encode_planned(task::PlannedTask planned, const Router& router, WallTime now);

// Errors: what is wrong with the message, for the log.
Result<ResultNews> decode_result(const Delivery& delivery);
Result<ResultNews> news_of(task::ResultMeta meta);

}  // namespace wherry::sdk

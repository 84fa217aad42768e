// From a call and its options to a message, and from a message on the reply queue to news of a task.
//
// Errors: ClientError(invalid_argument) that names the option. Threads: plain functions.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "sdk/client/job.h"
#include "sdk/client/routes.h"
#include "sdk/link/link.h"
#include "wherry/options.h"
#include "wherry/task.h"

namespace wherry::sdk {

// A task on its way.
struct Outgoing {
  std::string task_id;
  Publication message;  // Without its deadline.
  std::string queue;    // Empty when it goes to an exchange of the caller's.
  Topology topology;    // What must be there before.
  std::chrono::milliseconds delay{0};
};

struct Sender {
  std::string reply_to;  // Empty: no results.
  Serializer serializer = Serializer::msgpack;
};

Outgoing encode_call(Call<void> call, const EnqueueOptions& options, const Route& route, const Sender& sender,
                     WallTime now);

// Errors: what is wrong with the message, for the log.
Result<ResultNews> decode_result(const Delivery& delivery);

}  // namespace wherry::sdk

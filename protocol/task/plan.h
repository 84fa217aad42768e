// Plan: the messages that a workflow begins with. From a signature (a task, chain, group or chord, nested as one likes)
// to the tasks that are published now, each with what is to follow it in its embed, as Celery's canvas unrolls it:
//
//   chain    its first task, which carries the rest; a group in it that something follows becomes a chord
//   group    all its tasks, with the group's id and their place in it
//   chord    the tasks of its header, each with the body to be called; how many there are is told to the store of
//            results before any of them is published
//
//   auto plan = make_plan(*read_signature(value), {.args = {5}, .root_id = root, .parent_id = id}, now);
//   for (const PlannedTask& each : plan->tasks) publish(encode(each.task, now), each.queue);
//
// Every signature in it, also those that are sent later by somebody else, has got its task id and reply queue here, so
// the results can be waited for from the beginning. Pure: nothing is sent. Threads: no state.
// Errors: one sentence that says what in the signature cannot be sent.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "protocol/task/envelope.h"
#include "protocol/task/signature.h"

namespace wherry::task {

// How a workflow is begun.
struct Start {
  Value::Array args = {};                     // Go before the first task's own, unless that is immutable.
  std::string root_id = {};                   // The task that all this goes back to; empty: it begins here.
  std::string parent_id = {};                 // The task that it follows; empty: none.
  Value chain = {};                           // Signatures that come after it, stored reversed as in Embed.
  std::string reply_to = {};                  // Where results go, for those that do not say.
  std::optional<std::uint8_t> priority = {};  // Likewise.
  Serializer serializer = Serializer::json;   // Likewise.
  Compression compression = Compression::none;
  // Stamps of the task that it follows: every task gets those that it does not carry itself.
  Value stamped_headers = {};
  Value::Map stamps = {};
  // Asked once for every single task in it, also those that others will send: may add options, such as its queue.
  std::function<void(Signature&)> place = {};
};

struct PlannedTask {
  Task task;
  // Where to, if the signature says so; else its route decides.
  std::string queue = {};
  std::optional<std::string> exchange = {};
  std::optional<std::string> routing_key = {};
  std::optional<std::uint8_t> priority = {};
};

struct ChordSize {
  std::string group_id;
  std::int64_t parts = 0;
  // Where parts of the header come to lists themselves: its result tuple, saved under group_id, by which whoever calls
  // the body puts the results together. Else null, and they are one list.
  Value tuple = {};
};

struct Plan {
  std::vector<PlannedTask> tasks;  // In the order in which they are sent.
  std::vector<ChordSize> chords;   // To be stored before that.
  // Celery's result tuples, without their parents. What the whole comes to ([[id, null], null], or
  // [[id, null], [members]] of a group):
  Value result = {};
  // and what is sent now, for the children of the task that it follows.
  Value::Array sent = {};
};

Result<Plan> make_plan(const Signature& signature, const Start& start, WallTime now);

// How many of a chord's parts come back from this one: a group counts its members, a chain its last.
Result<std::int64_t> count_parts(const Signature& part);

}  // namespace wherry::task

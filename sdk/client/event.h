// Celery's events as messages: what producers and workers tell monitors on the exchange "celeryev".
//
//   make_event("worker-online", node, clock) + its own fields -> event_message("worker.online", node, event)
//
// Threads: plain functions. Format: docs/control.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/task/value.h"
#include "sdk/link/messages.h"
#include "sdk/link/topology.h"

namespace wherry::sdk {

// The exchange that events go to, as Celery declares it.
Topology event_topology();

// What every event has. node: who tells it. clock: that one's logical clock.
task::Value::Map make_event(std::string_view type, std::string_view node, std::int64_t clock);

// events: one, or an array of them. Best effort: nobody may be listening, and late it is no news.
// Errors: a value that JSON cannot hold.
Result<Publication> event_message(std::string_view routing_key, std::string_view node, const task::Value& events);

// "task-sent". message: the task's, as it is published. queue: empty when it goes to an exchange of the caller's.
Result<Publication> sent_event(const Publication& message, const std::string& queue, std::int64_t clock);

}  // namespace wherry::sdk

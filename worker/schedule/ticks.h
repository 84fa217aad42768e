// From an entry and a tick to the message that is published, and what must be at the broker for it.
//
// Every tick goes through an exchange of the schedule's own, which takes a message of one id once (sdk/client/once.h).
//
// Threads: plain functions. Format: docs/schedules.md.
#pragma once

#include <string>

#include "base/result.h"
#include "sdk/client/once.h"
#include "sdk/client/routes.h"
#include "sdk/link/messages.h"
#include "worker/schedule/settings.h"

namespace wherry::schedule {

// schedule: its name. Errors: names that become too long.
Result<sdk::OnceTarget> make_target(const std::string& schedule, const Entry& entry, const sdk::Router& router);

// "invoices:2026-11-30T05:30:00Z"
std::string tick_id(const Entry& entry, WallTime tick);

// Errors: what cannot be written as a task's message.
Result<sdk::Publication> make_message(const Entry& entry, WallTime tick, const sdk::OnceTarget& target,
                                      const sdk::Router& router, Serializer serializer, WallTime now);

// The same out of turn, with an id of its own: it is nobody's tick.
Result<sdk::Publication> make_message_now(const Entry& entry, const sdk::OnceTarget& target, const sdk::Router& router,
                                          Serializer serializer, WallTime now);

}  // namespace wherry::schedule

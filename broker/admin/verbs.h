// Verbs: what wherryctl asks, over the control socket or by POST /api/wherry/control, by the names that rabbitmqctl's
// commands have. Listings give a list of objects with the columns that were asked for; changes give null.
// docs/control-socket.md has the keys of each.
//
// Threads: the desk's.
#pragma once

#include "broker/admin/desk.h"

namespace wherry::broker::admin {

// request: {"verb": name, ...}. An error's reason is a sentence for the terminal.
// By HTTP the caller has the rights of its tags and permissions, as with the rest of the API.
Outcome<amqp::FieldValue> run_verb(Desk& desk, const Caller& caller, const amqp::Table& request);

}  // namespace wherry::broker::admin

// Verbs: what wherryctl asks over the control socket, by the names that rabbitmqctl's commands have. Listings give a
// list of objects with the columns that were asked for; changes give null. docs/control-socket.md has the keys of each.
//
// Threads: the desk's.
#pragma once

#include <string_view>

#include "broker/admin/desk.h"

namespace wherry::broker::admin {

bool is_verb(std::string_view name);
// request: {"verb": name, ...}. An error's reason is a sentence for the terminal.
Outcome<amqp::FieldValue> run_verb(Desk& desk, const amqp::Table& request);

}  // namespace wherry::broker::admin

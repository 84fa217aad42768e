// The verbs of wherryctl that are about bridges and the parameters which tell them what to do: set_parameter,
// clear_parameter, list_parameters, shovel_status, restart_shovel, delete_shovel,
// federation_status, restart_federation_link. The management API's handlers answer
// them; docs/control-socket.md has the keys. Threads: the desk's.
#pragma once

#include <string_view>

#include "broker/admin/desk.h"

namespace wherry::broker::admin {

bool is_bridge_verb(std::string_view name);
// Of a verb that is one.
Outcome<amqp::FieldValue> run_bridge_verb(Desk& desk, const amqp::Table& request);

}  // namespace wherry::broker::admin

// What a running broker answered, as rabbitmqctl prints it: a table with tabs, or JSON.
//
// A list of objects becomes a line each; an object alone, one line of JSON; nothing, no text. Objects inside a line are
// written as JSON. Threads: plain functions.
#pragma once

#include <string>
#include <vector>

#include "broker/control/json.h"

namespace wherry::broker::ctl {

enum class Format { table, pretty_table, json };

// columns: which, in this order.
std::string as_table(const amqp::FieldValue& answer, const std::vector<std::string>& columns, bool headers);
// With a frame around it, as rabbitmqctl's pretty_table.
std::string as_pretty_table(const amqp::FieldValue& answer, const std::vector<std::string>& columns, bool headers);
std::string as_json(const amqp::FieldValue& answer);

}  // namespace wherry::broker::ctl

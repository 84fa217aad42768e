// What bridges add to the properties of a message that they pass on: the trace of its way among the headers, and what
// the operator wants replaced.
//
// Headers: x-shovelled and x-received-from are lists of tables, the newest first, as RabbitMQ writes them.
// Threads: plain functions.
#pragma once

#include <string>
#include <string_view>

#include "broker/bridges/parameters.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker::bridges {

// Puts the entry in front of the list of that name; a header that is no list is replaced by one.
void prepend_header(amqp::Properties& properties, std::string_view name, amqp::Table entry);

// What the header x-shovelled says of one passage.
amqp::Table shovelled_entry(const ShovelSpec& spec, const std::string& source_uri, const std::string& destination_uri,
                            const std::string& cluster);

// Whether rewrite() would change any message at all.
bool rewrites(const Rewriting& rewriting);
// The raw properties as they go on. Those that cannot be read are passed on as they are.
std::string rewrite(std::string_view raw_properties, const Rewriting& rewriting, const amqp::Table& entry);

}  // namespace wherry::broker::bridges

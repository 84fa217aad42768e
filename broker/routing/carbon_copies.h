// The CC and BCC headers of a message: further routing keys, of which the second kind is hidden from who consumes it.
//
// Stored messages keep both, since dead letters and delayed messages are routed by them again; BCC is taken away where
// a message is written to a client. Source: RabbitMQ's documentation of sender-selected distribution. Threads: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/routing/vhost.h"
#include "protocol/amqp/table_view.h"

namespace wherry::broker {

// The keys of both headers, CC's first. 406 for a header that is no array; what is no text in one is passed over.
AmqpResult<std::vector<std::string>> carbon_copies(amqp::TableView headers);
// The same of a message that was let in.
std::vector<std::string> carbon_copies_of(std::string_view raw_properties);

// False: the message has no BCC header. Cheap; true may be wrong.
bool may_have_bcc(std::string_view raw_properties);
std::string without_bcc(std::string_view raw_properties);

}  // namespace wherry::broker

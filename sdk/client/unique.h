// Unique tasks: what EnqueueOptions::unique makes of a message, and how it is found out that a broker cannot.
//
// With a window the message goes through an exchange of the client's, one for each window: "wherry.unique.60000" takes
// a key once in 60 s and passes it to its queue. Without one the queue itself looks (x-message-deduplication), from
// when the message comes until it is acknowledged. The key on the wire is the task's name and the caller's key.
//
// Threads: plain functions. Format: docs/sdk.md.
#pragma once

#include <string_view>

#include "protocol/amqp/table.h"
#include "protocol/task/envelope.h"
#include "sdk/client/encode.h"
#include "wherry/options.h"

namespace wherry::sdk {

// Throws ClientError(invalid_argument).
void check_unique(std::string_view task, const EnqueueOptions& options);
// Sets the task's header, and the message's exchange and topology.
void make_unique_message(const Unique& unique, task::Task& task, Outgoing& out);
// What a broker says of itself as it is connected: whether it looks for duplicates.
bool takes_a_key_once(const amqp::Table& server_properties);
// declared: what became of the topology. Confirmed: this broker takes each key once; else why not.
Report refuse_unique(const Outgoing& out, const Report& declared, const amqp::Table& server_properties);

}  // namespace wherry::sdk

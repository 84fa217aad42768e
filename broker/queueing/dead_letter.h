// The message that a dead letter becomes: RabbitMQ's x-death history, routing key and cycle rule. Pure.
//
// Source: RabbitMQ's documentation of dead letter exchanges; headers as 3.10 writes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/queueing/queue_environment.h"

namespace wherry::broker {

// What to publish: route it with Vhost::route_within(exchange, key, properties, into) once per key, drop the queues
// that must_not_reach() names, and hand the message to the rest.
struct Reborn {
  MessageRef message;
  std::vector<std::string> routing_keys;  // The message's own first, then those of CC (and BCC).
};

// letter.to is not null. now_ms stamps the death (whole seconds) and the new message.
Reborn reborn(const DeadLetter& letter, std::uint64_t now_ms);

// Whether the message has gone round in a circle: it died in this queue before, and nobody rejected it on the way. Such
// a message is dropped instead of being published to the queue. properties: the reborn message's.
bool must_not_reach(const std::string& queue, std::string_view properties);

}  // namespace wherry::broker

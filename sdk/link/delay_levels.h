// The queues of delays that Celery declares from 5.5 on ("native delayed delivery"), by the names and arguments that it
// gives them, so that clients of both share one set.
//
// Level n, from 27 to 0, is a topic exchange and a quorum queue, both "celery_delayed_n". A delayed message comes in at
// level 27 with a routing key of 28 words, the bits of its delay in seconds with the highest first, and then the name
// of the queue that it is for. Where bit n is 1 the queue of level n keeps it for 2^n s and then dead-letters it to
// level n-1; where it is 0 the exchange passes it on at once. Behind level 0 is the topic exchange
// "celery_delayed_delivery", to which each destination is bound.
//
// Limits: whole seconds, up to 2^28 - 1 (8.5 years). A message's own expiry counts at each level.
// Source: kombu 5.5, transport/native_delayed_delivery.py. Threads: plain functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/link/topology.h"

namespace wherry::sdk {

constexpr std::string_view delay_delivery_exchange = "celery_delayed_delivery";

// All of it, the delivery exchange last: who sees that one sees the levels too.
Topology delay_levels();

// Whether a message for this queue can go through the levels: its name is at most 199 bytes, so that the key does not
// become too long, and has no word that a topic exchange takes as a pattern.
bool fits_delay_levels(std::string_view queue);

// The whole seconds that the levels keep a message for which this delay is meant; below one: they cannot.
std::int64_t delay_seconds(std::chrono::milliseconds delay);

// Where a message for queue goes in, and the binding by which it comes out. Precondition: it fits, seconds >= 1.
std::string_view first_delay_exchange();
std::string delay_routing_key(std::int64_t seconds, std::string_view queue);
// Exactly 28 words before the name, and not Celery's "#": else the queue "b" would get what is meant for "a.b".
BindingSpec delay_binding(const std::string& queue);

}  // namespace wherry::sdk

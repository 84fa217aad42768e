// What goes through a Link: publications with their outcome, deliveries with the reference that settles them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "protocol/amqp/properties.h"

namespace wherry::sdk {

// How a publish or a declaration ended.
enum class Outcome {
  confirmed,     // The broker has it (and, for a persistent message in a durable queue, on disk).
  unroutable,    // Returned: no queue took it. code and text are the broker's (312 NO_ROUTE).
  refused,       // Nacked, or the broker closed the channel because of it (404, 403, 406, 311).
  timed_out,     // No answer by the deadline, on a connection that stands.
  disconnected,  // No connection by the deadline; text says why the last attempt failed.
  denied,        // The broker does not let us in: wrong user, password or vhost (403, 530).
  overloaded,    // More publishes wait already than LinkConfig::max_waiting.
  closed,        // The link was closed while it waited.
};
std::string_view outcome_name(Outcome outcome);

struct Report {
  Outcome outcome = Outcome::confirmed;
  std::uint16_t code = 0;      // The broker's reply code, 0 when it said nothing.
  std::string text = {};       // One sentence; empty when confirmed.
  std::uint32_t messages = 0;  // Of the last queue that was declared: those that were ready.
  bool ok() const { return outcome == Outcome::confirmed; }
};

struct Publication {
  std::string exchange = {};  // Empty: the default exchange, where the routing key is the queue's name.
  std::string routing_key = {};
  amqp::Properties properties = {};  // message_id is filled in when absent: returns are matched by it.
  std::string body = {};
  bool mandatory = true;
  // Until when it is worth trying. A publish that is unconfirmed when the connection breaks is published again after
  // recovery with the same ids, until then: at least once, so a consumer may see it twice.
  Monotonic deadline = Monotonic::max();
};

// Called once, on the loop's thread.
using Done = std::function<void(const Report&)>;

// Names one delivery. It outlives its connection harmlessly: settling a delivery of an earlier connection does nothing,
// because the broker has requeued that message already.
struct DeliveryRef {
  std::uint64_t generation = 0;    // Of the subscription's channel; its link never uses one twice.
  std::uint32_t subscription = 0;  // 0 = nothing.
  std::uint64_t tag = 0;
  friend bool operator==(const DeliveryRef&, const DeliveryRef&) = default;
};

struct Delivery {
  DeliveryRef ref;
  std::string queue;  // The subscription's queue that it came from.
  std::string exchange = {};
  std::string routing_key = {};
  bool redelivered = false;
  amqp::Properties properties = {};
  std::string body = {};
};

}  // namespace wherry::sdk

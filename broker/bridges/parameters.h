// What a bridge is told to do: the values of the runtime parameters shovel, federation-upstream and
// federation-upstream-set, taken apart.
//
//   auto spec = parse_shovel("/", "to-the-cluster", value);     // an error is what the operator is refused with
//
// Keys, values and defaults are RabbitMQ's (rabbitmq.com/shovel-dynamic, rabbitmq.com/federation-reference); a key that
// nobody knows is an error and not passed over. URIs are those of sdk/endpoint/endpoint.h, and one more: "amqp://" with
// no host is this broker itself, reached without a password. A URI that names no virtual host means the parameter's.
// Errors: one sentence that names the key; never a password. Threads: plain functions and data.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/amqp/properties.h"
#include "sdk/endpoint/endpoint.h"

namespace wherry::broker::bridges {

constexpr std::string_view shovel_component = "shovel";
constexpr std::string_view upstream_component = "federation-upstream";
constexpr std::string_view upstream_set_component = "federation-upstream-set";

// When the source is told that a message need not be kept: when the destination has confirmed it, when it has been
// sent there, or at once.
enum class AckMode { on_confirm, on_publish, no_ack };
std::string_view to_string(AckMode mode);

struct BridgeUri {
  bool local = false;        // This broker; of the endpoint only the virtual host counts.
  sdk::Endpoint endpoint;    // Where it is otherwise.
  std::string text() const;  // Without user and password.
  friend bool operator==(const BridgeUri&, const BridgeUri&) = default;
};

// This broker itself.
BridgeUri local_uri(std::string_view vhost);

// What comes of the message that a shovel passes on, beside what it was.
struct Rewriting {
  bool forward_headers = false;
  bool timestamp_header = false;
  amqp::Properties properties;  // Those that are there replace the message's.
  friend bool operator==(const Rewriting&, const Rewriting&) = default;
};

struct ShovelSpec {
  std::string vhost;
  std::string name;
  AckMode ack_mode = AckMode::on_confirm;
  std::chrono::seconds reconnect_delay{5};

  std::vector<BridgeUri> source;
  std::string source_queue;     // Either this,
  std::string source_exchange;  // or this, to which a queue of the shovel's own is bound.
  std::string source_key;
  amqp::Table source_queue_arguments;  // Where the queue is made.
  amqp::Table consumer_arguments;
  std::uint16_t prefetch = 1000;  // Messages under way; 0: no limit.
  enum class Delete { never, when_moved, after } deletes = Delete::never;
  std::uint64_t delete_after = 0;  // Messages, with Delete::after.

  std::vector<BridgeUri> destination;
  std::optional<std::string> destination_queue;
  amqp::Table destination_queue_arguments;
  std::optional<std::string> destination_exchange;  // Neither: the exchange that the message was published to.
  std::optional<std::string> destination_key;       // None: the message's own.
  Rewriting rewriting;
  friend bool operator==(const ShovelSpec&, const ShovelSpec&) = default;
};
Result<ShovelSpec> parse_shovel(std::string_view vhost, std::string_view name, const amqp::FieldValue& value);

struct UpstreamSpec {
  std::string vhost;
  std::string name;
  std::vector<BridgeUri> uris;
  std::string exchange;  // Empty: of the same name as the federated one.
  AckMode ack_mode = AckMode::on_confirm;
  std::chrono::seconds reconnect_delay{5};
  std::uint16_t prefetch = 1000;
  std::uint8_t max_hops = 1;
  bool trust_user_id = false;
  std::optional<std::uint64_t> expires_ms;  // Of the queue at the upstream, when nobody consumes from it.
  std::optional<std::uint64_t> message_ttl_ms;
  friend bool operator==(const UpstreamSpec&, const UpstreamSpec&) = default;
};
Result<UpstreamSpec> parse_upstream(std::string_view vhost, std::string_view name, const amqp::FieldValue& value);

// One line of a set: an upstream by its name, and the keys that are others there.
struct SetMember {
  std::string upstream;
  amqp::Table overrides;
};
Result<std::vector<SetMember>> parse_upstream_set(const amqp::FieldValue& value);
// The upstream as the set wants it: of its value and the member's overrides.
Result<UpstreamSpec> member_of_set(std::string_view vhost, const SetMember& member, const amqp::FieldValue& upstream);

// Whether bridges have a component of that name.
bool is_bridge_component(std::string_view component);
// Why the value is none for it; empty when it is one.
std::string parameter_fault(std::string_view component, std::string_view vhost, std::string_view name,
                            const amqp::FieldValue& value);
// The virtual hosts of this broker that a value of it reaches without a password.
std::vector<std::string> local_vhosts(std::string_view component, std::string_view vhost, std::string_view name,
                                      const amqp::FieldValue& value);

}  // namespace wherry::broker::bridges

// What a program wants to exist at the broker: exchanges, queues and bindings, as plain data.
//
// A Link remembers what was declared through it and declares it again, in order, after each reconnect.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "protocol/amqp/table.h"

namespace wherry::sdk {

struct ExchangeSpec {
  std::string name = {};
  std::string type = "direct";
  bool durable = true;
  bool auto_delete = false;
  bool internal = false;
  bool passive = false;  // Only asks whether it is there.
  amqp::Table arguments = {};
  friend bool operator==(const ExchangeSpec&, const ExchangeSpec&) = default;
};

struct QueueSpec {
  std::string name = {};  // Never empty: names are the client's, so that they are the same after a reconnect.
  bool durable = true;
  bool exclusive = false;
  bool auto_delete = false;
  bool passive = false;
  amqp::Table arguments = {};
  friend bool operator==(const QueueSpec&, const QueueSpec&) = default;
};

struct BindingSpec {
  std::string source = {};       // Exchange.
  std::string destination = {};  // Queue, or exchange when to_exchange.
  std::string routing_key = {};
  bool to_exchange = false;
  amqp::Table arguments = {};
  friend bool operator==(const BindingSpec&, const BindingSpec&) = default;
};

using Declaration = std::variant<ExchangeSpec, QueueSpec, BindingSpec>;
using Topology = std::vector<Declaration>;  // In order: a binding after its two ends.

// Makes quorum queues, which are on several nodes of a RabbitMQ cluster, of those that can be and have no x-queue-type:
// durable ones which are neither exclusive nor deleted by themselves.
void make_quorum_queues(Topology& topology);

}  // namespace wherry::sdk

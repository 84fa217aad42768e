// The definitions document: everything that is declared and set, as one JSON object that RabbitMQ reads and writes:
// users with their password hashes, virtual hosts, permissions, policies, limits, exchanges, queues, bindings.
//
//   auto document = parse_definitions(body, "");      // all of it is checked before anything is changed
//
// Errors: the first thing that is wrong, and where: "queues[3]: name is a text". Threads: plain functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/admin/answer.h"
#include "broker/auth/users.h"
#include "broker/routing/policies.h"
#include "broker/routing/vhost.h"
#include "broker/shard/runtime_access.h"
#include "broker/shard/runtime_parameters.h"

namespace wherry::broker::admin {

struct DefinitionsDocument {
  template <class T>
  struct Of {
    std::string vhost;
    T what;
  };
  struct OfUser {
    std::string user;
    Permission permission;
  };
  struct TopicOfUser {
    std::string user;
    TopicPermission permission;
  };
  struct Policy {
    std::string vhost;
    PolicyKind kind = PolicyKind::plain;
    PolicySpec spec;
  };
  std::vector<UserSpec> users;  // Without permissions.
  std::vector<Of<std::optional<VhostNotes>>> vhosts;
  std::vector<std::pair<std::string, amqp::Table>> user_limits;
  std::vector<OfUser> permissions;
  std::vector<TopicOfUser> topic_permissions;
  std::vector<Policy> policies;
  std::vector<Of<amqp::Table>> vhost_limits;
  std::vector<RuntimeParameters::Parameter> parameters;  // Of bridges.
  std::vector<std::pair<std::string, amqp::FieldValue>> global_parameters;
  std::vector<Of<ExchangeSpec>> exchanges;
  std::vector<Of<QueueSpec>> queues;
  std::vector<Of<BindingSpec>> bindings;
  std::vector<std::string> passed_over;  // Parameters of what this broker does not have, by component.
};

// vhost: where what does not say one belongs; empty: each must say it.
Outcome<DefinitionsDocument> parse_definitions(const amqp::Table& body, std::string_view vhost);

}  // namespace wherry::broker::admin

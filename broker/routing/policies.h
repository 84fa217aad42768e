// Policies: settings that are given to queues and exchanges by a pattern of their names, and can change while they
// live.
//
//   Policies policies;                                        // of one virtual host
//   policies.configure(PolicyKind::plain, from_the_file);     // replaces what the configuration said before
//   policies.set(PolicyKind::plain, {"short", "^tmp\\.", PolicyTarget::queues, 0, definition});
//   EffectiveRef effective = policies.of(queue_spec);         // null: no policy applies
//
// Rules, as RabbitMQ has them: of all policies that match a name only the one of the highest priority counts (of equal
// ones the first by name); beside it counts the one operator policy chosen in the same way. Of policy and operator
// policy the smaller number counts, else the operator's value; of that and the argument that a queue was declared with
// the smaller number, else the argument.
// Patterns: RE2, matched anywhere in the name, on bytes. Limits: a name of 255 bytes, a pattern of 4096.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "broker/routing/policy_keys.h"
#include "protocol/amqp/table.h"

namespace wherry::broker {

struct QueueSpec;
struct ExchangeSpec;

enum class PolicyTarget { all, queues, classic_queues, quorum_queues, exchanges };
std::string_view to_string(PolicyTarget target);
std::optional<PolicyTarget> parse_policy_target(std::string_view text);

struct PolicySpec {
  std::string name;
  std::string pattern;
  PolicyTarget apply_to = PolicyTarget::all;
  std::int64_t priority = 0;
  amqp::Table definition;
  friend bool operator==(const PolicySpec&, const PolicySpec&) = default;
};

// "policy" and "operator_policy": what a kind is called where it is kept.
std::string_view component_of(PolicyKind kind);
std::optional<PolicyKind> policy_kind_of(std::string_view component);

// What is wrong with it, in RabbitMQ's words; empty when nothing is.
std::string policy_fault(PolicyKind kind, const PolicySpec& spec);

// As a table with the keys "pattern", "apply-to", "priority" and "definition"; and back, where what is missing has its
// default. Nothing when one of them is of another type.
amqp::Table to_table(const PolicySpec& spec);
std::optional<PolicySpec> policy_of(std::string name, const amqp::Table& table);

// What applies to a queue or an exchange.
struct Effective {
  std::string policy;  // Their names; empty: there is none of that kind.
  std::string operator_policy;
  amqp::Table definition;  // What the two come to.
  amqp::Table arguments;   // What that and the arguments it was declared with come to.
  friend bool operator==(const Effective&, const Effective&) = default;
};
using EffectiveRef = std::shared_ptr<const Effective>;

class Policies {
 public:
  Policies();
  ~Policies();
  Policies(Policies&&) noexcept;
  Policies& operator=(Policies&&) noexcept;

  // A policy that stands in the configuration, and where: "broker.yaml:12:5".
  struct Configured {
    PolicySpec spec;
    std::string place;
  };
  // Each was found to be without fault.
  void configure(PolicyKind kind, std::vector<Configured> policies);

  // Sets one at run time; gives what had its name before. Errors: a fault, or that the configuration has the name.
  Result<std::optional<PolicySpec>> set(PolicyKind kind, PolicySpec spec);
  // Gives what was cleared; nothing where there was none. Errors: it stands in the configuration.
  Result<std::optional<PolicySpec>> clear(PolicyKind kind, std::string_view name);

  // Null when none applies.
  EffectiveRef of(const QueueSpec& queue);
  EffectiveRef of(const ExchangeSpec& exchange);

  struct Listed {
    PolicySpec spec;
    std::string place;  // Empty: set at run time.
  };
  // By name. One that was set at run time before the configuration took its name is not listed.
  std::vector<Listed> list(PolicyKind kind) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wherry::broker

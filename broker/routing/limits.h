// Limits: how many connections, queues and channels a virtual host or a user may have at most, by its name.
//
// Of a vhost: max-connections, max-queues. Of a user: max-connections, max-channels. A negative number means none; what
// is over a limit when it is set stays. What stands in the configuration for a name counts instead of what was set for
// it at run time. Source: RabbitMQ's documentation of vhost and user limits; the texts are those of 3.10.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/amqp/table.h"

namespace wherry::broker {

enum class LimitScope { vhost, user };

// What is wrong with them, in RabbitMQ's words; empty when nothing is.
std::string limits_fault(LimitScope scope, const amqp::Table& limits);
// One of them; nothing where there is no limit.
std::optional<std::uint64_t> limit_in(const amqp::Table& limits, std::string_view name);

class Limits {
 public:
  explicit Limits(LimitScope scope) : scope_(scope) {}

  struct Named {
    std::string name;
    amqp::Table limits;
    std::string place = {};  // In the configuration: "broker.yaml:12:5"; else empty.
  };
  // Each was found to be without fault.
  void configure(std::vector<Named> limits);

  // Replaces what was set at run time (an empty table: takes it away) and gives what that was. Errors: a fault, or that
  // the configuration has the name.
  Result<amqp::Table> set(std::string_view name, amqp::Table limits);
  // What was set at run time for the name, whether it counts or not.
  amqp::Table set_of(std::string_view name) const;
  // What counts.
  amqp::Table of(std::string_view name) const;
  // What counts, by name.
  std::vector<Named> list() const;

 private:
  const LimitScope scope_;
  std::map<std::string, Named, std::less<>> configured_;
  std::map<std::string, amqp::Table, std::less<>> set_;
};

}  // namespace wherry::broker

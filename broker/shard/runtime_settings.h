// RuntimeSettings: what an operator sets while the broker runs: policies, limits, and the parameters of bridges. They
// come from the configuration (at start, and whenever it is read again) and from requests; those of requests are kept
// in the definitions.
//
//   auto change = settings.set_policy("/", PolicyKind::plain, spec);
//   ... Definitions::committed() >= *change: it is kept: tell who asked
//
// Queues hear of what concerns them on their own shards, in a coming turn. Errors: sentences for the operator,
// RabbitMQ's where it has them. Threads: any but a shard's; the restoring before the shards run.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "broker/routing/configured_settings.h"
#include "broker/routing/quota.h"
#include "broker/session/shared_vhost.h"
#include "broker/shard/runtime_parameters.h"

namespace wherry::broker {

class Shared;

class RuntimeSettings {
 public:
  explicit RuntimeSettings(Shared& shared) : shared_(shared) {}

  // Replaces what the configuration said before.
  void configure(ConfiguredSettings settings);
  // One that the definitions kept.
  Result<void> restore(std::string_view vhost, std::string_view component, std::string_view name,
                       const amqp::Table& value);

  // The result is the number of the change: it is kept when Definitions::committed() has come so far.
  using Change = Result<std::uint64_t>;
  Change set_policy(std::string_view vhost, PolicyKind kind, PolicySpec spec);
  Change clear_policy(std::string_view vhost, PolicyKind kind, std::string_view name);
  Result<std::vector<Policies::Listed>> list_policies(std::string_view vhost, PolicyKind kind) const;

  // Replaces all limits of the vhost; an empty table takes them away.
  Change set_vhost_limits(std::string_view vhost, const amqp::Table& limits);
  std::vector<Limits::Named> list_vhost_limits() const;
  // Adds to what the user's limits are, or replaces those of the same name.
  Change set_user_limits(std::string_view user, const amqp::Table& limits);
  // One by its name, or "all".
  Change clear_user_limits(std::string_view user, std::string_view name);
  std::vector<Limits::Named> list_user_limits() const;

  // Those of bridges; they are nowhere but here.
  RuntimeParameters& parameters() { return parameters_; }

  // There is a new one, which may have something to obey already; one is gone, with what was set for it.
  void vhost_added(std::string_view name);
  void vhost_removed(SharedVhost& vhost);
  // There is a new user.
  void apply_user_limits();

 private:
  Result<SharedVhostRef> vhost(std::string_view name) const;
  Change replace_user_limits(std::string_view user, amqp::Table limits);
  std::uint64_t recorded() const;
  void record(bool added, std::string_view vhost, std::string_view component, std::string_view name,
              const amqp::Table& value);
  void tell_queues(const SharedVhostRef& vhost, const std::vector<QueueEntryRef>& queues);
  void apply_vhost_limits();
  void apply_user_limits_locked();
  Change set_vhost_limits_locked(std::string_view vhost, const amqp::Table& limits);

  Shared& shared_;
  mutable std::mutex mutex_;
  ConfiguredSettings configured_;  // Of virtual hosts that may come yet.
  Limits vhost_limits_{LimitScope::vhost};
  Limits user_limits_{LimitScope::user};
  RuntimeParameters parameters_{shared_};
};

}  // namespace wherry::broker

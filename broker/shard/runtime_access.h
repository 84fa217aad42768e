// RuntimeAccess: users, permissions and virtual hosts while the broker runs. The configuration gives those of a first
// start; what is changed is kept in the definitions and counts from then on, for a user as a whole: one that was
// changed or deleted at run time is not what the configuration says of it any more. A virtual host that the
// configuration names is there again at each start.
//
// A user that is deleted, and a virtual host, take their connections with them (320, RabbitMQ's text). New permissions
// count for what a connection does next; a new password for the next login.
// Errors: sentences for the operator, RabbitMQ's where it has them. Threads: any but a shard's; the restoring before
// the shards run. A Change is kept when Definitions::committed() has come so far.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "broker/auth/user_directory.h"
#include "broker/routing/topology_journal.h"
#include "broker/session/shared_vhost.h"

namespace wherry::broker {

class Shared;
class RuntimeSettings;

// What people say about a virtual host; the broker does nothing with it.
struct VhostNotes {
  std::string description;
  std::vector<std::string> tags;
  friend bool operator==(const VhostNotes&, const VhostNotes&) = default;
};

class RuntimeAccess {
 public:
  RuntimeAccess(Shared& shared, RuntimeSettings& settings);

  // One that the definitions kept; false: it is not this object's.
  Result<bool> restore(std::string_view vhost, std::string_view component, std::string_view name,
                       const amqp::Table& value);

  using Change = Result<std::uint64_t>;
  // --- users ---
  std::vector<UserSpec> users() const;  // By name.
  std::optional<UserSpec> user(std::string_view name) const;
  // Adds it, or replaces all of it. Errors: no name, a bad pattern, a virtual host that there is not.
  Change put_user(UserSpec spec);
  // Changes one that is there.
  Change change_user(std::string_view name, const std::function<void(UserSpec& spec)>& change);
  Change delete_user(std::string_view name);
  // Replaces the user's for that virtual host, or that exchange of it.
  Change set_permission(std::string_view user, Permission permission);
  Change clear_permission(std::string_view user, std::string_view vhost);
  Change set_topic_permission(std::string_view user, TopicPermission permission);
  // Nothing: for all exchanges.
  Change clear_topic_permission(std::string_view user, std::string_view vhost, std::optional<std::string> exchange);

  // --- virtual hosts ---
  VhostNotes notes(std::string_view vhost) const;
  // Makes it, or replaces what is said about it. Nothing said: as it was.
  Change put_vhost(std::string_view name, std::optional<VhostNotes> notes);
  // With everything in it. Waits for the shards.
  Change delete_vhost(std::string_view name);

  // --- parameters that belong to nobody: names and values that an operator keeps here ---
  std::map<std::string, amqp::FieldValue> global_parameters() const;
  Change set_global_parameter(std::string_view name, amqp::FieldValue value);
  Change clear_global_parameter(std::string_view name);

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  // vhost, component, name
  // Replaces what is kept under the key; nothing: takes it away.
  void keep(Key key, std::optional<amqp::Table> value);
  std::uint64_t recorded() const;
  // Clients are told the global parameter of that name.
  void tell_cluster_name(std::string_view changed);
  Change put_user_locked(UserSpec spec);
  void empty_vhost(const SharedVhostRef& vhost);

  Shared& shared_;
  RuntimeSettings& settings_;
  const std::set<std::string, std::less<>> configured_;  // Users of the configuration.
  mutable std::mutex mutex_;
  std::map<Key, amqp::Table> kept_;
  std::map<std::string, VhostNotes, std::less<>> notes_;
};

}  // namespace wherry::broker

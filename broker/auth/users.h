// Users: who may log in, and what each may touch in which virtual host.
//
// Permissions are RabbitMQ's: per vhost three patterns (RE2) that the name of an exchange or queue must contain a match
// of: configure (declare, delete), write (publish, bind a queue to), read (consume, get, bind from). A user without an
// entry for a vhost may not open it. Topic permissions look at the routing key as well: of publishes to a topic
// exchange (write) and of bindings to it (read); where a user has none for an exchange, every key is fine. In their
// patterns {username} and {vhost} stand for the names. Threads: immutable once built; any. user_directory.h has those
// of a running broker, which change.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wherry::broker {

struct Permission {
  std::string vhost = "/";
  std::string configure = ".*";
  std::string write = ".*";
  std::string read = ".*";
  friend bool operator==(const Permission&, const Permission&) = default;
};

struct TopicPermission {
  std::string vhost = "/";
  std::string exchange = "";
  std::string write = ".*";
  std::string read = ".*";
  friend bool operator==(const TopicPermission&, const TopicPermission&) = default;
};

struct UserSpec {
  std::string name;
  std::string password_hash;  // password_hash.h. Empty: nobody can log in as this user.
  std::vector<std::string> tags;
  std::vector<Permission> permissions;
  bool loopback_only = false;  // As guest is, unless configured otherwise.
  std::vector<TopicPermission> topic_permissions = {};
  std::string hashing = "rabbit_password_hashing_sha256";
  friend bool operator==(const UserSpec&, const UserSpec&) = default;
};

enum class Access { configure, write, read };
std::string_view to_string(Access access);

class User {
 public:
  virtual ~User() = default;
  virtual const UserSpec& spec() const = 0;
  virtual bool may_open(std::string_view vhost) const = 0;
  virtual bool may(Access access, std::string_view vhost, std::string_view resource) const = 0;
  // Whether may_topic() depends on the key at all.
  virtual bool has_topic_permission(std::string_view vhost, std::string_view exchange) const = 0;
  virtual bool may_topic(Access access, std::string_view vhost, std::string_view exchange,
                         std::string_view routing_key) const = 0;
  const std::string& name() const { return spec().name; }
  bool has_tag(std::string_view tag) const;
  // With the tag "impersonator": may publish messages that name another user as theirs.
  bool may_impersonate() const { return has_tag("impersonator"); }
};
using UserRef = std::shared_ptr<const User>;

class Users {
 public:
  // Fails with the first bad pattern or doubled name.
  static Result<std::shared_ptr<const Users>> build(std::vector<UserSpec> specs);
  virtual ~Users() = default;

  // The same users with one added or replaced. Fails with a bad pattern.
  virtual Result<std::shared_ptr<const Users>> with(UserSpec spec) const = 0;
  virtual std::shared_ptr<const Users> without(std::string_view name) const = 0;

  virtual std::vector<std::string> names() const = 0;     // In order.
  virtual UserRef find(std::string_view name) const = 0;  // Null when there is none.

  // The user, or why not (for the log; the client is told only that it was refused).
  virtual Result<UserRef> log_in(std::string_view name, std::string_view password, bool from_loopback) const = 0;
  // The same of somebody whose name was proved in another way.
  virtual Result<UserRef> admit(std::string_view name, bool from_loopback) const = 0;
};

}  // namespace wherry::broker

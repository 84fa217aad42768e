// Users: who may log in, and what each may touch in which virtual host.
//
// Permissions are RabbitMQ's: per vhost three patterns (RE2) that the name of an exchange or queue must contain a match
// of: configure (declare, delete), write (publish, bind a queue to), read (consume, get, bind from). A user without an
// entry for a vhost may not open it.
// Threads: immutable once built; any.
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
};

struct UserSpec {
  std::string name;
  std::string password_hash;  // password_hash.h
  std::vector<std::string> tags;
  std::vector<Permission> permissions;
  bool loopback_only = false;  // As guest is, unless configured otherwise.
};

enum class Access { configure, write, read };
std::string_view to_string(Access access);

class User {
 public:
  virtual ~User() = default;
  virtual const std::string& name() const = 0;
  virtual bool may_open(std::string_view vhost) const = 0;
  virtual bool may(Access access, std::string_view vhost, std::string_view resource) const = 0;
};
using UserRef = std::shared_ptr<const User>;

class Users {
 public:
  // Fails with the first bad pattern or doubled name.
  static Result<std::shared_ptr<const Users>> build(std::vector<UserSpec> specs);
  virtual ~Users() = default;

  // The user, or why not (for the log; the client is told only that it was refused).
  virtual Result<UserRef> log_in(std::string_view name, std::string_view password, bool from_loopback) const = 0;
};

}  // namespace wherry::broker

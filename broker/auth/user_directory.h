// UserDirectory: the users of a running broker. A change makes a new table of users and leaves the old one to those who
// look at it; version() tells them that there is a newer one.
//
// Threads: any; changes one at a time.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>

#include "broker/auth/login_throttle.h"
#include "broker/auth/users.h"

namespace wherry::broker {

class UserDirectory {
 public:
  // Null: nobody can log in.
  explicit UserDirectory(std::shared_ptr<const Users> users);

  std::shared_ptr<const Users> now() const;
  // Of logins by AMQP.
  LoginThrottle& throttle() const { return throttle_; }
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Adds the user, or replaces the one of that name. Fails with a bad pattern.
  Result<void> put(UserSpec spec);
  // Whether there was one.
  bool remove(std::string_view name);

 private:
  void replace(std::shared_ptr<const Users> users);

  mutable LoginThrottle throttle_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Users> users_;
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace wherry::broker

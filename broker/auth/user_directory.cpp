#include "broker/auth/user_directory.h"

#include "base/assert.h"

namespace wherry::broker {

UserDirectory::UserDirectory(std::shared_ptr<const Users> users)
    : users_(users ? std::move(users) : Users::build({}).value()) {}

std::shared_ptr<const Users> UserDirectory::now() const {
  std::lock_guard lock(mutex_);
  return users_;
}

void UserDirectory::replace(std::shared_ptr<const Users> users) {
  std::lock_guard lock(mutex_);
  users_ = std::move(users);
  version_.fetch_add(1, std::memory_order_release);
}

Result<void> UserDirectory::put(UserSpec spec) {
  auto changed = now()->with(std::move(spec));
  if (!changed) return tl::unexpected(changed.error());
  replace(std::move(*changed));
  return {};
}

bool UserDirectory::remove(std::string_view name) {
  const auto before = now();
  if (!before->find(name)) return false;
  replace(before->without(name));
  return true;
}

}  // namespace wherry::broker

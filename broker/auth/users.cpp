#include "broker/auth/users.h"

#include <array>
#include <map>

#include <fmt/format.h>
#include <re2/re2.h>

#include "broker/auth/password_hash.h"

namespace wherry::broker {

namespace {

class KnownUser final : public User {
 public:
  explicit KnownUser(UserSpec spec) : spec_(std::move(spec)) {}

  Result<void> compile() {
    for (const Permission& permission : spec_.permissions) {
      auto& patterns = patterns_[permission.vhost];
      const std::array<const std::string*, 3> sources{&permission.configure, &permission.write, &permission.read};
      for (std::size_t i = 0; i < sources.size(); ++i) {
        // An empty pattern means "nothing but the empty name", as RabbitMQ has it.
        patterns[i] = std::make_unique<RE2>(sources[i]->empty() ? std::string("^$") : *sources[i], RE2::Quiet);
        if (!patterns[i]->ok()) {
          return fail(fmt::format("user '{}', vhost '{}': bad {} pattern '{}': {}", spec_.name, permission.vhost,
                                  to_string(static_cast<Access>(i)), *sources[i], patterns[i]->error()));
        }
      }
    }
    return {};
  }

  const std::string& name() const override { return spec_.name; }
  bool may_open(std::string_view vhost) const override { return patterns_.find(vhost) != patterns_.end(); }
  bool may(Access access, std::string_view vhost, std::string_view resource) const override {
    auto found = patterns_.find(vhost);
    if (found == patterns_.end()) return false;
    return RE2::PartialMatch(re2::StringPiece(resource.data(), resource.size()),
                             *found->second[static_cast<std::size_t>(access)]);
  }
  const UserSpec& spec() const { return spec_; }

 private:
  UserSpec spec_;
  std::map<std::string, std::array<std::unique_ptr<RE2>, 3>, std::less<>> patterns_;  // By vhost, indexed by Access.
};

class UserTable final : public Users {
 public:
  Result<void> add(UserSpec spec) {
    auto user = std::make_shared<KnownUser>(std::move(spec));
    if (auto compiled = user->compile(); !compiled) return compiled;
    if (!users_.emplace(user->name(), user).second) return fail(fmt::format("user '{}' is there twice", user->name()));
    return {};
  }

  Result<UserRef> log_in(std::string_view name, std::string_view password, bool from_loopback) const override {
    auto found = users_.find(name);
    if (found == users_.end()) return fail(fmt::format("user '{}' does not exist", name));
    if (!password_matches(found->second->spec().password_hash, password)) {
      return fail(fmt::format("user '{}': wrong password", name));
    }
    if (found->second->spec().loopback_only && !from_loopback) {
      return fail(fmt::format("user '{}' can only connect via localhost", name));
    }
    return UserRef(found->second);
  }

 private:
  std::map<std::string, std::shared_ptr<KnownUser>, std::less<>> users_;
};

}  // namespace

std::string_view to_string(Access access) {
  constexpr std::array<std::string_view, 3> names{"configure", "write", "read"};
  return names[static_cast<std::size_t>(access)];
}

Result<std::shared_ptr<const Users>> Users::build(std::vector<UserSpec> specs) {
  auto table = std::make_shared<UserTable>();
  for (UserSpec& spec : specs) {
    if (auto added = table->add(std::move(spec)); !added) return tl::unexpected<Error>(added.error());
  }
  return std::shared_ptr<const Users>(table);
}

}  // namespace wherry::broker

#include "broker/auth/users.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>
#include <re2/re2.h>

#include "broker/auth/password_hash.h"

namespace wherry::broker {

namespace {

// An empty pattern means "nothing but the empty name", as RabbitMQ has it.
std::unique_ptr<RE2> compiled(const std::string& pattern) {
  return std::make_unique<RE2>(pattern.empty() ? std::string("^$") : pattern, RE2::Quiet);
}

bool matches(const RE2& pattern, std::string_view text) {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

std::string with_names(std::string pattern, std::string_view user, std::string_view vhost) {
  const std::pair<std::string_view, std::string_view> names[] = {{"{username}", user}, {"{vhost}", vhost}};
  for (const auto& [variable, name] : names) {
    const std::string quoted = RE2::QuoteMeta(re2::StringPiece(name.data(), name.size()));
    for (std::size_t at = 0; (at = pattern.find(variable, at)) != pattern.npos; at += quoted.size()) {
      pattern.replace(at, variable.size(), quoted);
    }
  }
  return pattern;
}

class KnownUser final : public User {
 public:
  explicit KnownUser(UserSpec spec) : spec_(std::move(spec)) {}

  Result<void> compile() {
    for (const Permission& permission : spec_.permissions) {
      auto& patterns = patterns_[permission.vhost];
      const std::array<const std::string*, 3> sources{&permission.configure, &permission.write, &permission.read};
      for (std::size_t i = 0; i < sources.size(); ++i) {
        patterns[i] = compiled(*sources[i]);
        if (auto fine = check(*patterns[i], permission.vhost, static_cast<Access>(i), *sources[i]); !fine) return fine;
      }
    }
    for (const TopicPermission& permission : spec_.topic_permissions) {
      auto& patterns = topics_[{permission.vhost, permission.exchange}];
      const std::pair<Access, const std::string*> sources[] = {{Access::write, &permission.write},
                                                               {Access::read, &permission.read}};
      for (const auto& [access, source] : sources) {
        auto& pattern = patterns[access == Access::read ? 1 : 0];
        pattern = compiled(with_names(*source, spec_.name, permission.vhost));
        if (auto fine = check(*pattern, permission.vhost, access, *source); !fine) return fine;
      }
    }
    return {};
  }

  const UserSpec& spec() const override { return spec_; }
  bool may_open(std::string_view vhost) const override { return patterns_.find(vhost) != patterns_.end(); }
  bool may(Access access, std::string_view vhost, std::string_view resource) const override {
    auto found = patterns_.find(vhost);
    if (found == patterns_.end()) return false;
    return matches(*found->second[static_cast<std::size_t>(access)], resource);
  }
  bool has_topic_permission(std::string_view vhost, std::string_view exchange) const override {
    return !topics_.empty() && topics_.contains({std::string(vhost), std::string(exchange)});
  }
  bool may_topic(Access access, std::string_view vhost, std::string_view exchange,
                 std::string_view routing_key) const override {
    if (topics_.empty()) return true;
    const auto found = topics_.find({std::string(vhost), std::string(exchange)});
    return found == topics_.end() || matches(*found->second[access == Access::read ? 1 : 0], routing_key);
  }

 private:
  Result<void> check(const RE2& pattern, const std::string& vhost, Access access, const std::string& source) const {
    if (pattern.ok()) return {};
    return fail(fmt::format("user '{}', vhost '{}': bad {} pattern '{}': {}", spec_.name, vhost, to_string(access),
                            source, pattern.error()));
  }

  UserSpec spec_;
  std::map<std::string, std::array<std::unique_ptr<RE2>, 3>, std::less<>> patterns_;  // By vhost, indexed by Access.
  // By vhost and exchange: write, read.
  std::map<std::pair<std::string, std::string>, std::array<std::unique_ptr<RE2>, 2>> topics_;
};

// Users that did not change are shared by the tables before and after a change.
class UserTable final : public Users {
 public:
  Result<void> add(UserSpec spec, bool replace) {
    auto user = std::make_shared<KnownUser>(std::move(spec));
    if (auto done = user->compile(); !done) return done;
    if (replace) {
      users_.insert_or_assign(user->name(), user);
    } else if (!users_.emplace(user->name(), user).second) {
      return fail(fmt::format("user '{}' is there twice", user->name()));
    }
    return {};
  }

  Result<std::shared_ptr<const Users>> with(UserSpec spec) const override {
    auto table = std::make_shared<UserTable>(*this);
    if (auto added = table->add(std::move(spec), true); !added) return tl::unexpected<Error>(added.error());
    return std::shared_ptr<const Users>(table);
  }
  std::shared_ptr<const Users> without(std::string_view name) const override {
    auto table = std::make_shared<UserTable>(*this);
    if (auto found = table->users_.find(name); found != table->users_.end()) table->users_.erase(found);
    return table;
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, user] : users_) all.push_back(name);
    return all;
  }
  UserRef find(std::string_view name) const override {
    auto found = users_.find(name);
    return found == users_.end() ? nullptr : found->second;
  }

  Result<UserRef> log_in(std::string_view name, std::string_view password, bool from_loopback) const override {
    const UserRef user = find(name);
    if (user && !password_matches(user->spec().password_hash, password, user->spec().hashing)) {
      return fail(fmt::format("user '{}': wrong password", name));
    }
    return admit(name, from_loopback);
  }
  Result<UserRef> admit(std::string_view name, bool from_loopback) const override {
    UserRef user = find(name);
    if (!user) return fail(fmt::format("user '{}' does not exist", name));
    if (user->spec().loopback_only && !from_loopback) {
      return fail(fmt::format("user '{}' can only connect via localhost", name));
    }
    return user;
  }

 private:
  std::map<std::string, std::shared_ptr<KnownUser>, std::less<>> users_;
};

}  // namespace

std::string_view to_string(Access access) {
  constexpr std::array<std::string_view, 3> names{"configure", "write", "read"};
  return names[static_cast<std::size_t>(access)];
}

bool User::has_tag(std::string_view tag) const {
  const std::vector<std::string>& tags = spec().tags;
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

Result<std::shared_ptr<const Users>> Users::build(std::vector<UserSpec> specs) {
  auto table = std::make_shared<UserTable>();
  for (UserSpec& spec : specs) {
    if (auto added = table->add(std::move(spec), false); !added) return tl::unexpected<Error>(added.error());
  }
  return std::shared_ptr<const Users>(table);
}

}  // namespace wherry::broker

#include "broker/shard/runtime_settings.h"

#include <algorithm>

#include <fmt/format.h>

#include "broker/shard/broker.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

namespace {

constexpr std::string_view vhost_limits_component = "vhost-limits";
constexpr std::string_view user_limits_component = "user-limits";
// A vhost has one set of limits.
constexpr std::string_view limits_name = "limits";
// Queues that hear of a change in one turn of their shard.
constexpr std::size_t told_at_once = 1000;

}  // namespace

Result<SharedVhostRef> RuntimeSettings::vhost(std::string_view name) const {
  if (SharedVhostRef found = shared_.find_vhost(name)) return found;
  return fail(fmt::format("Virtual host '{}' does not exist", name));
}

std::uint64_t RuntimeSettings::recorded() const {
  const Definitions* definitions = shared_.config().definitions;
  return definitions == nullptr ? 0 : definitions->recorded();
}

void RuntimeSettings::record(bool added, std::string_view vhost, std::string_view component, std::string_view name,
                             const amqp::Table& value) {
  if (shared_.config().definitions == nullptr) return;
  shared_.config().definitions->record(
      {added, std::string(vhost), ParameterSpec{std::string(component), std::string(name), value}});
}

void RuntimeSettings::tell_queues(const SharedVhostRef& vhost, const std::vector<QueueEntryRef>& queues) {
  std::vector<std::vector<QueueEntryRef>> by_home(shared_.shards().size());
  const auto send = [&](unsigned home) {
    Shard& shard = *shared_.shards()[home];
    shard.loop().post([&shard, vhost, told = std::exchange(by_home[home], {})] {
      for (const QueueEntryRef& entry : told) shard.settings_changed(vhost, *entry);
    });
  };
  for (const QueueEntryRef& entry : queues) {
    by_home[entry->home].push_back(entry);
    if (by_home[entry->home].size() == told_at_once) send(entry->home);
  }
  for (unsigned home = 0; home < by_home.size(); ++home) {
    if (!by_home[home].empty()) send(home);
  }
}

// --- from the configuration and the definitions ----------------------------------------------------------------------

void RuntimeSettings::configure(ConfiguredSettings settings) {
  std::lock_guard lock(mutex_);
  configured_ = settings;
  for (const SharedVhostRef& vhost : shared_.vhosts()) {
    auto& policies = settings.policies[vhost->name()];
    tell_queues(vhost, vhost->write([&](Vhost& topology) {
      return topology.configure_policies(std::move(policies.plain), std::move(policies.by_operator));
    }));
  }
  vhost_limits_.configure(std::move(settings.vhost_limits));
  user_limits_.configure(std::move(settings.user_limits));
  apply_vhost_limits();
  apply_user_limits_locked();
}

void RuntimeSettings::vhost_added(std::string_view name) {
  std::lock_guard lock(mutex_);
  const SharedVhostRef vhost = shared_.find_vhost(name);
  if (!vhost) return;
  if (auto found = configured_.policies.find(name); found != configured_.policies.end()) {
    vhost->write(
        [&](Vhost& topology) { return topology.configure_policies(found->second.plain, found->second.by_operator); });
  }
  apply_vhost_limits();
}

void RuntimeSettings::vhost_removed(SharedVhost& vhost) {
  std::lock_guard lock(mutex_);
  vhost.write([](Vhost& topology) {
    for (PolicyKind kind : {PolicyKind::plain, PolicyKind::by_operator}) {
      for (const Policies::Listed& each : topology.policies().list(kind)) {
        if (each.place.empty()) (void)topology.clear_policy(kind, each.spec.name);
      }
    }
  });
  (void)set_vhost_limits_locked(vhost.name(), {});
  parameters_.vhost_removed(vhost.name());
}

Result<void> RuntimeSettings::restore(std::string_view vhost_name, std::string_view component, std::string_view name,
                                      const amqp::Table& value) {
  const auto unfit = [&](std::string_view why) {
    return fail(fmt::format("definitions: {} '{}' of vhost '{}': {}", component, name, vhost_name, why));
  };
  if (component == user_limits_component || component == vhost_limits_component) {
    const bool user = component == user_limits_component;
    auto set = (user ? user_limits_ : vhost_limits_).set(user ? name : vhost_name, value);
    return set ? Result<void>() : unfit(set.error().message);
  }
  if (RuntimeParameters::knows(component)) {
    return parameters_.restore(vhost_name, component, name, value) ? Result<void>() : unfit("it has no value");
  }
  const auto kind = policy_kind_of(component);
  auto spec = policy_of(std::string(name), value);
  if (!kind || !spec) return unfit("this wherry-broker does not know it");
  auto found = vhost(vhost_name);
  if (!found) return unfit("there is no such vhost");
  auto set = (*found)->write([&](Vhost& topology) { return topology.set_policy(*kind, std::move(*spec)); });
  return set ? Result<void>() : unfit(set.error().message);
}

// --- policies --------------------------------------------------------------------------------------------------------

RuntimeSettings::Change RuntimeSettings::set_policy(std::string_view vhost_name, PolicyKind kind, PolicySpec spec) {
  std::lock_guard lock(mutex_);
  auto found = vhost(vhost_name);
  if (!found) return tl::unexpected(found.error());
  auto changed = (*found)->write([&](Vhost& topology) { return topology.set_policy(kind, std::move(spec)); });
  if (!changed) return tl::unexpected(changed.error());
  tell_queues(*found, *changed);
  return recorded();
}

RuntimeSettings::Change RuntimeSettings::clear_policy(std::string_view vhost_name, PolicyKind kind,
                                                      std::string_view name) {
  std::lock_guard lock(mutex_);
  auto found = vhost(vhost_name);
  if (!found) return tl::unexpected(found.error());
  auto changed = (*found)->write([&](Vhost& topology) { return topology.clear_policy(kind, name); });
  if (!changed) return tl::unexpected(changed.error());
  tell_queues(*found, *changed);
  return recorded();
}

Result<std::vector<Policies::Listed>> RuntimeSettings::list_policies(std::string_view vhost_name,
                                                                     PolicyKind kind) const {
  std::lock_guard lock(mutex_);
  auto found = vhost(vhost_name);
  if (!found) return tl::unexpected(found.error());
  return (*found)->read([&](const Vhost& topology) { return topology.policies().list(kind); });
}

// --- limits ----------------------------------------------------------------------------------------------------------

RuntimeSettings::Change RuntimeSettings::set_vhost_limits(std::string_view vhost_name, const amqp::Table& limits) {
  std::lock_guard lock(mutex_);
  if (auto found = vhost(vhost_name); !found) return tl::unexpected(found.error());
  return set_vhost_limits_locked(vhost_name, limits);
}

RuntimeSettings::Change RuntimeSettings::set_vhost_limits_locked(std::string_view vhost_name,
                                                                 const amqp::Table& limits) {
  auto before = vhost_limits_.set(vhost_name, limits);
  if (!before) return tl::unexpected(before.error());
  if (!before->empty()) record(false, vhost_name, vhost_limits_component, limits_name, *before);
  if (!limits.empty()) record(true, vhost_name, vhost_limits_component, limits_name, limits);
  apply_vhost_limits();
  return recorded();
}

RuntimeSettings::Change RuntimeSettings::set_user_limits(std::string_view user, const amqp::Table& limits) {
  std::lock_guard lock(mutex_);
  if (std::string fault = limits_fault(LimitScope::user, limits); !fault.empty()) return fail(std::move(fault));
  amqp::Table all = user_limits_.set_of(user);
  for (const auto& [name, value] : limits.entries()) all.set(name, value);
  return replace_user_limits(user, std::move(all));
}

RuntimeSettings::Change RuntimeSettings::clear_user_limits(std::string_view user, std::string_view name) {
  std::lock_guard lock(mutex_);
  amqp::Table all = user_limits_.set_of(user);
  if (name == "all") {
    all = {};
  } else {
    all.erase(name);
  }
  return replace_user_limits(user, std::move(all));
}

RuntimeSettings::Change RuntimeSettings::replace_user_limits(std::string_view user, amqp::Table limits) {
  if (!shared_.user_quota(user)) return fail(fmt::format("User '{}' does not exist", user));
  auto before = user_limits_.set(user, limits);
  if (!before) return tl::unexpected(before.error());
  if (!before->empty()) record(false, "", user_limits_component, user, *before);
  if (!limits.empty()) record(true, "", user_limits_component, user, limits);
  apply_user_limits_locked();
  return recorded();
}

void RuntimeSettings::apply_vhost_limits() {
  for (const SharedVhostRef& vhost : shared_.vhosts()) {
    const amqp::Table limits = vhost_limits_.of(vhost->name());
    vhost->connections().set_limit(limit_in(limits, "max-connections"));
    vhost->write([&](Vhost& topology) { topology.set_max_queues(limit_in(limits, "max-queues")); });
  }
}

void RuntimeSettings::apply_user_limits() {
  std::lock_guard lock(mutex_);
  apply_user_limits_locked();
}

std::vector<Limits::Named> RuntimeSettings::list_vhost_limits() const {
  std::lock_guard lock(mutex_);
  return vhost_limits_.list();
}

std::vector<Limits::Named> RuntimeSettings::list_user_limits() const {
  std::lock_guard lock(mutex_);
  return user_limits_.list();
}

void RuntimeSettings::apply_user_limits_locked() {
  shared_.each_user_quota([this](const std::string& user, UserQuota& quota) {
    const amqp::Table limits = user_limits_.of(user);
    quota.connections.set_limit(limit_in(limits, "max-connections"));
    quota.channels.set_limit(limit_in(limits, "max-channels"));
  });
}

}  // namespace wherry::broker

#include "broker/admin/desk.h"

#include <fmt/format.h>

#include "base/log.h"

namespace wherry::broker::admin {

namespace {
constexpr std::chrono::seconds disk_patience{30};
}

Caller Caller::of(UserRef user, std::string peer) {
  Caller caller;
  caller.name_ = user->name();
  caller.user_ = std::move(user);
  caller.peer_ = std::move(peer);
  return caller;
}

Outcome<void> Caller::check(Access access, std::string_view kind, std::string_view vhost, std::string_view name) const {
  if (!user_ || user_->may(access, vhost, name)) return {};
  return not_authorised(
      fmt::format("ACCESS_REFUSED - access to {} '{}' in vhost '{}' refused for user '{}'", kind, name, vhost, name_));
}

Outcome<void> Caller::need(Level level) const {
  if (level == Level::anybody) return {};
  if (!management()) return not_authorised("Not management user");
  if (level == Level::policymaker && !policymaker()) return not_authorised("Not policymaker user");
  if (level == Level::monitoring && !monitoring()) return not_authorised("Not monitor user");
  if (level == Level::administrator && !administrator()) return not_authorised("Not administrator user");
  return {};
}

Desk::Desk(Broker& broker, bridges::Bridges& bridges, DeskConfig config)
    : broker_(broker),
      bridges_(bridges),
      config_(std::move(config)),
      sampler_(broker.shared()),
      tasks_(broker.shared(), config_.task_bounds),
      workers_(broker.shared()) {}

std::string Desk::cluster_name() const {
  const auto parameters = broker_.access().global_parameters();
  if (auto found = parameters.find("cluster_name"); found != parameters.end()) {
    if (const auto* name = found->second.get<std::string>()) return *name;
  }
  return config_.cluster.empty() ? config_.node : config_.cluster;
}

std::vector<DeskConfig::Listener> Desk::listeners() const {
  std::lock_guard lock(mutex_);
  return listeners_;
}

void Desk::add_listener(DeskConfig::Listener listener) {
  std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(listener));
}

std::uint64_t Desk::uptime_ms() const {
  const auto up = std::chrono::steady_clock::now() - began_;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(up).count());
}

Outcome<void> Desk::kept(const Result<std::uint64_t>& change) {
  if (!change) {
    const std::string& why = change.error().message;
    if (why.ends_with("does not exist")) return not_found();
    return bad_request(why);
  }
  Definitions* definitions = shared().config().definitions;
  if (definitions == nullptr || definitions->wait_committed(*change, disk_patience)) return {};
  return unavailable("the change is made, but the disk has not kept it yet");
}

Outcome<SharedVhostRef> Desk::vhost(const Caller& caller, std::string_view name) {
  SharedVhostRef found = shared().find_vhost(name);
  if (!found) return not_found();
  if (!caller.sees(name)) return not_authorised("User not authorised to access virtual host");
  return found;
}

void Desk::audit(const Caller& caller, std::string_view what) const {
  log::info("admin", "{} (from {}): {}", caller.name(), caller.peer(), what);
}

}  // namespace wherry::broker::admin

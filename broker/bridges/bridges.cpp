#include "broker/bridges/bridges.h"

#include <future>
#include <set>

#include <fmt/format.h>

#include "base/log.h"

namespace wherry::broker::bridges {

namespace {

// Whom bridges are here: nobody can log in under that name, and what they pass on may name anybody as its publisher.
constexpr const char* internal_user = "wherry.bridge";

Result<UserRef> identity(const std::string& vhost) {
  UserSpec spec;
  spec.name = internal_user;
  spec.tags = {"impersonator"};
  spec.permissions = {{.vhost = vhost}};
  auto users = Users::build({spec});
  if (!users) return tl::unexpected(users.error());
  return (*users)->find(internal_user);
}

}  // namespace

Bridges::Bridges(Broker& broker)
    : broker_(broker), around_{loop_, [this](const std::string& vhost) { return open_local(vhost); }, {}} {}

Bridges::~Bridges() {
  stop();
}

void Bridges::start(std::function<std::string()> cluster_name) {
  around_.cluster_name = std::move(cluster_name);
  {
    std::lock_guard lock(mutex_);
    stopped_ = false;
  }
  broker_.settings().parameters().on_change([this] { changed(); });
  changed();
}

void Bridges::stop() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true) || !thread_.joinable()) return;
    loop_.post([this] {
      shovels_.clear();
      federation_.reset();
      // What the ends still have to say goes out in the turns to come.
      loop_.after_turn([this] { loop_.stop(); });
    });
  }
  thread_.join();
}

void Bridges::changed() {
  std::lock_guard lock(mutex_);
  if (stopped_) return;
  if (!thread_.joinable()) {
    if (broker_.settings().parameters().list().empty()) return;
    thread_ = std::thread([this] { loop_.run(); });
  }
  loop_.post([this] { reconcile(); });
}

bool Bridges::ask(std::function<void()> work) {
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> answered = done->get_future();
  {
    std::lock_guard lock(mutex_);
    if (stopped_ || !thread_.joinable()) return false;
    loop_.post([work = std::move(work), done] {
      work();
      done->set_value();
    });
  }
  answered.wait();
  return true;
}

Result<int> Bridges::open_local(const std::string& vhost) const {
  auto user = identity(vhost);
  if (!user) return tl::unexpected(user.error());
  return broker_.connect_internally(*user);
}

void Bridges::reconcile() {
  reconcile_shovels();
  if (!federation_) federation_ = std::make_unique<Federation>(around_, broker_);
  federation_->reconcile();
}

// --- shovels ---------------------------------------------------------------------------------------------------------

void Bridges::reconcile_shovels() {
  std::set<Name> wanted;
  for (const RuntimeParameters::Parameter& each : broker_.settings().parameters().list()) {
    if (each.component != shovel_component) continue;
    const Name name(each.vhost, each.name);
    wanted.insert(name);
    auto spec = parse_shovel(each.vhost, each.name, each.value);
    RunningShovel next;
    if (spec) {
      next.spec = *std::move(spec);
    } else {
      next.spec.vhost = each.vhost;
      next.spec.name = each.name;
      next.fault = spec.error().message;
    }
    const auto found = shovels_.find(name);
    if (found != shovels_.end() && found->second.spec == next.spec && found->second.fault == next.fault) continue;
    RunningShovel& now = shovels_[name];
    now = std::move(next);
    run(now);
  }
  std::erase_if(shovels_, [&](const auto& each) {
    const bool gone = !wanted.contains(each.first);
    if (gone) log::info("bridges", "shovel '{}' in vhost '{}' is no more", each.first.second, each.first.first);
    return gone;
  });
}

void Bridges::run(RunningShovel& shovel) {
  if (!shovel.fault.empty()) {
    return log::warning("bridges", "shovel '{}' in vhost '{}': {}", shovel.spec.name, shovel.spec.vhost, shovel.fault);
  }
  // It is gone from the definitions first: what was moved is not moved again by a run to come.
  const auto done = [this, vhost = shovel.spec.vhost, name = shovel.spec.name] {
    (void)broker_.settings().parameters().clear(vhost, shovel_component, name);
  };
  shovel.shovel = std::make_unique<Shovel>(around_, shovel.spec, done);
  shovel.shovel->start();
}

std::vector<Bridges::ShovelRow> Bridges::shovels() {
  std::vector<ShovelRow> rows;
  ask([&] {
    for (const auto& [name, each] : shovels_) {
      ShovelRow row{each.spec, {}};
      if (each.shovel) {
        row.status = each.shovel->status();
      } else {
        row.status = {.state = Bridge::State::terminated, .reason = each.fault};
      }
      rows.push_back(std::move(row));
    }
  });
  return rows;
}

bool Bridges::restart_shovel(const std::string& vhost, const std::string& name) {
  bool found = false;
  ask([&] {
    const auto there = shovels_.find(Name(vhost, name));
    if (there == shovels_.end()) return;
    found = true;
    run(there->second);
  });
  return found;
}

// --- federation ------------------------------------------------------------------------------------------------------

std::vector<FederationRow> Bridges::federation_links() {
  std::vector<FederationRow> rows;
  ask([&] {
    if (federation_) rows = federation_->rows();
  });
  return rows;
}

bool Bridges::restart_federation_link(const std::string& id) {
  bool found = false;
  ask([&] { found = federation_ && federation_->restart(id); });
  return found;
}

}  // namespace wherry::broker::bridges

// What an earlier run kept: vhosts, exchanges, queues at their homes with their messages, bindings.
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "broker/shard/broker.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

class Broker::Restoring final : public DefinitionsVisitor {
 public:
  explicit Restoring(Broker& broker) : broker_(broker) {}

  // An error when queues live on shards that there are not.
  Result<void> check_homes() const {
    if (last_home_ < broker_.config_.shards) return {};
    return fail(
        fmt::format("definitions: queues live on {} shards, queue '{}' on the last; start with --shards {} or more",
                    last_home_ + 1, at_last_home_, last_home_ + 1));
  }
  const std::set<std::string, std::less<>>& vhosts() const { return vhosts_; }

  // Messages come from the stores only now: the definitions are sound as a whole.
  void create_queues() {
    for (const auto& [vhost, entry] : queues_) {
      Shard& shard = *broker_.shared_.shards()[entry->home];
      shard.create_queue(vhost, entry);
      if (paused_.erase(std::to_string(entry->id)) > 0) shard.restore_stopped(entry);
    }
  }
  // After create_queues(): what was paused when its queue was deleted.
  void forget_paused(Definitions& definitions) {
    for (const auto& [id, row] : std::exchange(paused_, {})) definitions.record(row);
  }

 private:
  Result<void> vhost(std::string_view name) override {
    vhosts_.emplace(name);
    if (broker_.shared_.find_vhost(name)) return {};
    broker_.shared_.add_vhost(std::make_shared<SharedVhost>(std::string(name)));
    return {};
  }

  Result<void> parameter(std::string_view vhost, ParameterSpec spec) override {
    if (spec.component == paused_queue_component) {
      const std::string id = spec.name;
      paused_.emplace(id, TopologyChange{false, std::string(vhost), std::move(spec)});
      return {};
    }
    auto known = broker_.access_.restore(vhost, spec.component, spec.name, spec.value);
    if (!known) return tl::unexpected(known.error());
    if (*known) return {};
    return broker_.settings_.restore(vhost, spec.component, spec.name, spec.value);
  }

  Result<void> exchange(std::string_view vhost, ExchangeSpec spec) override {
    return change(vhost, [&](Vhost& topology) { return topology.declare_exchange(spec, false); });
  }

  Result<void> queue(std::string_view vhost, QueueSpec spec, std::uint64_t id, unsigned home) override {
    if (home >= last_home_) {
      last_home_ = home;
      at_last_home_ = spec.name;
    }
    return change(vhost, [&](Vhost& topology) -> AmqpResult<void> {
      auto queue = topology.restore_queue(spec, id, home);
      if (!queue) return tl::unexpected(queue.error());
      queues_.emplace_back(last_vhost_, std::move(*queue));
      return {};
    });
  }

  Result<void> binding(std::string_view vhost, BindingSpec spec) override {
    return change(vhost, [&](Vhost& topology) { return topology.bind(spec, 0); });
  }

  template <class Change>
  Result<void> change(std::string_view vhost, Change change) {
    if (!last_vhost_ || last_vhost_->name() != vhost) last_vhost_ = broker_.shared_.find_vhost(vhost);
    if (!last_vhost_)
      return fail(fmt::format("definitions: there is something in vhost '{}', but no such vhost", vhost));
    AmqpResult<void> done = last_vhost_->write(change);
    if (done) return {};
    return fail(fmt::format("definitions: what is kept of vhost '{}' does not fit together: {}", vhost,
                            done.error().explanation));
  }

  Broker& broker_;
  std::set<std::string, std::less<>> vhosts_;
  SharedVhostRef last_vhost_;
  std::vector<std::pair<SharedVhostRef, QueueEntryRef>> queues_;
  std::map<std::string, TopologyChange> paused_;  // By the queue's id: how its row is removed.
  unsigned last_home_ = 0;
  std::string at_last_home_;
};

Result<void> Broker::restore() {
  if (config_.definitions == nullptr) {
    settings_.configure(config_.settings);
    return {};
  }
  Definitions& definitions = *config_.definitions;
  Restoring restoring(*this);
  if (auto loaded = definitions.load(restoring); !loaded) return loaded;
  if (auto fit = restoring.check_homes(); !fit) return fit;
  // Before a message is looked at: it must not be judged by less than everything that is set.
  settings_.configure(config_.settings);
  restoring.create_queues();

  Definitions::Events events;
  events.committed = [this](std::uint64_t) {
    for (const auto& shard : shared_.shards()) shard->definitions_committed();
  };
  events.failed = [this](const std::string& why) { config_.on_failure(why); };
  if (auto started = definitions.start(std::move(events)); !started) return started;
  restoring.forget_paused(definitions);
  for (const SharedVhostRef& vhost : shared_.vhosts()) {
    if (!restoring.vhosts().contains(vhost->name())) definitions.record({true, vhost->name(), {}});
    vhost->write([&](Vhost& topology) { topology.set_journal(definitions); });
  }
  return {};
}

}  // namespace wherry::broker

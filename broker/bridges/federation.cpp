#include "broker/bridges/federation.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/log.h"

namespace wherry::broker::bridges {

using amqp::FieldValue;
using amqp::Table;

namespace {

constexpr std::chrono::milliseconds between_looks{100};

std::string id_of(const std::tuple<std::string, std::string, std::string, std::string>& key) {
  const auto& [vhost, exchange, upstream, there] = key;
  return fmt::format("{:08x}", crc32c(fmt::format("{}\n{}\n{}\n{}", vhost, exchange, upstream, there)));
}

// Of whom federation takes no notice: what it has made itself, and what nobody publishes to.
bool may_be_federated(const ExchangeSpec& exchange) {
  return !exchange.name.empty() && !exchange.internal;
}

}  // namespace

Federation::Federation(const Surroundings& around, Broker& broker)
    : around_(around), broker_(broker), timer_(around.loop) {}

Federation::~Federation() = default;

void Federation::reconcile() {
  look(true);
}

void Federation::look(bool at_all) {
  const auto began = std::chrono::steady_clock::now();
  std::set<std::string> federating;
  for (const RuntimeParameters::Parameter& each : broker_.settings().parameters().list()) {
    if (each.component == upstream_component) federating.insert(each.vhost);
  }
  AllWanted wanted;
  std::set<std::string> looked_at;
  for (const SharedVhostRef& vhost : broker_.shared().vhosts()) {
    const bool has_upstream = federating.contains(vhost->name());
    const std::uint64_t version = vhost->version();
    const auto seen = seen_.find(vhost->name());
    if (!at_all && (!has_upstream || (seen != seen_.end() && seen->second == version))) continue;
    seen_[vhost->name()] = version;
    looked_at.insert(vhost->name());
    if (has_upstream) look_at(vhost, wanted);
  }
  follow(wanted, looked_at);
  if (federating.empty()) {
    timer_.cancel();
    return;
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
  timer_.set(std::max(between_looks, took * 20), [this] { look(false); });
}

void Federation::look_at(const SharedVhostRef& vhost, AllWanted& wanted) const {
  std::vector<std::pair<ExchangeSpec, Table>> federated;
  std::map<std::string, std::vector<BindingSpec>> bindings;
  vhost->read([&](const Vhost& topology) {
    for (const ExchangeSpec& each : topology.exchanges()) {
      if (!may_be_federated(each)) continue;
      const EffectiveRef effective = topology.effective_of(each.name);
      if (!effective) continue;
      const Table& policy = effective->definition;
      if (!policy.string(upstream_component) && !policy.string(upstream_set_component)) continue;
      federated.emplace_back(each, policy);
      bindings[each.name];
    }
    if (federated.empty()) return;
    for (BindingSpec& each : topology.bindings()) {
      if (const auto found = bindings.find(each.source); found != bindings.end()) {
        found->second.push_back(std::move(each));
      }
    }
  });
  for (const auto& [exchange, policy] : federated) want(vhost, exchange, policy, bindings[exchange.name], wanted);
}

void Federation::want(const SharedVhostRef& vhost, const ExchangeSpec& exchange, const Table& policy,
                      const std::vector<BindingSpec>& bindings, AllWanted& wanted) const {
  Wanted pattern;
  pattern.spec.exchange = exchange;
  pattern.bindings = bindings;
  if (const std::string* name = policy.string(upstream_component)) {
    const auto value = broker_.settings().parameters().find(vhost->name(), upstream_component, *name);
    if (value) add(parse_upstream(vhost->name(), *name, *value), vhost->name(), *name, pattern, wanted);
  }
  if (const std::string* set = policy.string(upstream_set_component)) want_set(vhost->name(), *set, pattern, wanted);
}

void Federation::want_set(const std::string& vhost, const std::string& set, const Wanted& pattern,
                          AllWanted& wanted) const {
  RuntimeParameters& parameters = broker_.settings().parameters();
  const auto value = parameters.find(vhost, upstream_set_component, set);
  if (!value && set == "all") {
    for (const RuntimeParameters::Parameter& each : parameters.list()) {
      if (each.component != upstream_component || each.vhost != vhost) continue;
      add(parse_upstream(vhost, each.name, each.value), vhost, each.name, pattern, wanted);
    }
    return;
  }
  const auto members = value ? parse_upstream_set(*value) : Result<std::vector<SetMember>>(std::vector<SetMember>{});
  if (!members) return;
  for (const SetMember& each : *members) {
    const auto upstream = parameters.find(vhost, upstream_component, each.upstream);
    if (upstream) add(member_of_set(vhost, each, *upstream), vhost, each.upstream, pattern, wanted);
  }
}

void Federation::add(Result<UpstreamSpec> upstream, const std::string& vhost, const std::string& name,
                     const Wanted& pattern, AllWanted& wanted) const {
  Wanted one = pattern;
  if (upstream) {
    one.spec.upstream = *std::move(upstream);
  } else {
    one.spec.upstream.vhost = vhost;
    one.spec.upstream.name = name;
    one.fault = upstream.error().message;
  }
  wanted.insert_or_assign(Key(vhost, one.spec.exchange.name, name, one.spec.upstream_exchange()), std::move(one));
}

void Federation::follow(AllWanted& wanted, const std::set<std::string>& looked_at) {
  std::set<std::string> there;
  for (const SharedVhostRef& vhost : broker_.shared().vhosts()) there.insert(vhost->name());
  std::erase_if(links_, [&](auto& each) {
    const std::string& vhost = std::get<0>(each.first);
    if (wanted.contains(each.first) || (there.contains(vhost) && !looked_at.contains(vhost))) return false;
    if (each.second.link) each.second.link->dismantle();
    log::info("bridges", "exchange '{}' in vhost '{}' is not federated with upstream '{}' any more",
              std::get<1>(each.first), vhost, std::get<2>(each.first));
    return true;
  });
  for (auto& [key, want] : wanted) {
    const auto found = links_.find(key);
    if (found != links_.end() && found->second.spec == want.spec && found->second.fault == want.fault) {
      if (found->second.link) found->second.link->set_bindings(want.bindings);
      continue;
    }
    Running& running = links_[key];
    running.link.reset();
    running.spec = std::move(want.spec);
    running.fault = std::move(want.fault);
    run(running, std::move(want.bindings));
  }
}

void Federation::run(Running& running, std::vector<BindingSpec> bindings) {
  if (!running.fault.empty()) {
    return log::warning("bridges", "upstream '{}' in vhost '{}': {}", running.spec.upstream.name,
                        running.spec.upstream.vhost, running.fault);
  }
  running.link = std::make_unique<FederationLink>(around_, running.spec, std::move(bindings));
  running.link->start();
}

std::vector<FederationRow> Federation::rows() const {
  std::vector<FederationRow> rows;
  for (const auto& [key, each] : links_) {
    FederationRow row{id_of(key), each.spec, {}};
    if (each.link) {
      row.status = each.link->status();
    } else {
      row.status.state = Bridge::State::terminated;
      row.status.reason = each.fault;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

bool Federation::restart(const std::string& id) {
  for (auto& [key, each] : links_) {
    if (id_of(key) != id) continue;
    // Anew with what is bound now.
    links_.erase(key);
    look(true);
    return true;
  }
  return false;
}

}  // namespace wherry::broker::bridges

#include "broker/settings/policy_settings.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/nearest.h"
#include "protocol/amqp/topology_settings.h"

namespace wherry::broker {

namespace {

// Whether the file knows the name that stands at the key.
bool check_known(yaml::Map& map, std::string_view key, std::string_view what, const std::string& name,
                 const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return true;
  const auto near = nearest(name, known);
  map.error(key, fmt::format("there is no {} '{}' in this file{}", what, name,
                             near ? fmt::format("; did you mean '{}'?", *near) : std::string()));
  return false;
}

void read_policy(yaml::Map& map, PolicyKind kind, const std::vector<std::string>& vhosts, ConfiguredSettings& into) {
  PolicySpec spec;
  std::string vhost = vhosts.size() == 1 ? vhosts.front() : "/";
  const bool named = map.required("name", spec.name);
  map.get("vhost", vhost);
  const bool in_vhost = check_known(map, map.has("vhost") ? "vhost" : "name", "vhost", vhost, vhosts);
  map.required("pattern", spec.pattern);
  map.choice<PolicyTarget>("apply_to", spec.apply_to,
                           {{"all", PolicyTarget::all},
                            {"queues", PolicyTarget::queues},
                            {"classic_queues", PolicyTarget::classic_queues},
                            {"quorum_queues", PolicyTarget::quorum_queues},
                            {"exchanges", PolicyTarget::exchanges}});
  map.get("priority", spec.priority);
  spec.definition = amqp::read_table(map, "definition");
  if (!named || !in_vhost) return;
  if (std::string fault = policy_definition_fault(kind, spec.definition); !fault.empty()) {
    return map.error(map.has("definition") ? "definition" : "name", std::move(fault));
  }
  // What is left is of the pattern or the name.
  if (std::string fault = policy_fault(kind, spec); !fault.empty()) {
    return map.error(map.has("pattern") ? "pattern" : "name", std::move(fault));
  }
  ConfiguredSettings::OfVhost& settings = into.policies[vhost];
  auto& policies = kind == PolicyKind::plain ? settings.plain : settings.by_operator;
  const bool twice = std::any_of(policies.begin(), policies.end(),
                                 [&](const Policies::Configured& each) { return each.spec.name == spec.name; });
  if (twice) return map.error("name", fmt::format("the policy '{}' is there twice", spec.name));
  policies.push_back({std::move(spec), map.place("name")});
}

void read_limit(yaml::Map& map, std::string_view key, std::string_view name, amqp::Table& into) {
  std::int64_t limit = 0;
  if (map.get(key, limit, -1, INT64_MAX)) into.set(name, limit);
}

// second: the limit that vhosts and users do not have in common.
void read_limits(yaml::Map& map, std::string_view what, const std::vector<std::string>& known,
                 std::string_view second_key, std::string_view second, std::vector<Limits::Named>& into) {
  Limits::Named named;
  map.required("name", named.name);
  read_limit(map, "max_connections", "max-connections", named.limits);
  read_limit(map, second_key, second, named.limits);
  if (named.name.empty() || !check_known(map, "name", what, named.name, known)) return;
  const bool twice =
      std::any_of(into.begin(), into.end(), [&](const Limits::Named& each) { return each.name == named.name; });
  if (twice) return map.error("name", fmt::format("the {} '{}' is there twice", what, named.name));
  named.place = map.place("name");
  into.push_back(std::move(named));
}

}  // namespace

ConfiguredSettings read_policy_settings(yaml::Map& root, const std::vector<std::string>& vhosts,
                                        const std::vector<std::string>& users) {
  ConfiguredSettings out;
  for (yaml::Map each : root.maps("policies")) read_policy(each, PolicyKind::plain, vhosts, out);
  for (yaml::Map each : root.maps("operator_policies")) read_policy(each, PolicyKind::by_operator, vhosts, out);
  yaml::Map limits = root.map("limits");
  for (yaml::Map each : limits.maps("vhosts")) {
    read_limits(each, "vhost", vhosts, "max_queues", "max-queues", out.vhost_limits);
  }
  for (yaml::Map each : limits.maps("users")) {
    read_limits(each, "user", users, "max_channels", "max-channels", out.user_limits);
  }
  return out;
}

}  // namespace wherry::broker

#include "broker/settings/policy_settings.h"

#include <catch2/catch.hpp>

#include "broker/settings/broker_settings.h"
#include "tests/unit/settings/variables.h"

using namespace wherry;
using namespace wherry::broker;
using Catch::Matchers::Contains;

namespace {

struct Read {
  ConfiguredSettings settings;
  std::string error;
};
Read read(const std::string& text) {
  yaml::Document document = yaml::Document::parse(text, "broker.yaml", no_environment());
  BrokerSettings all = read_broker_settings(document);
  auto done = document.finish();
  return {std::move(all.policies), done ? "" : done.error().message};
}

}  // namespace

TEST_CASE("Policies and limits are read by vhost, and know where they stand") {
  const Read got = read(R"(
vhosts: [/, other]
users: [{name: ann, password: x}]
policies:
  - {name: short, pattern: "^tmp", apply_to: queues, priority: 2, definition: {message-ttl: 60000}}
  - {name: short, vhost: other, pattern: "", definition: {max-length: 5, overflow: reject-publish}}
operator_policies:
  - {name: cap, pattern: ".*", definition: {max-length: 1000}}
limits:
  vhosts: [{name: other, max_connections: 10, max_queues: -1}]
  users: [{name: ann, max_channels: 5}]
)");
  REQUIRE(got.error.empty());
  const auto& main = got.settings.policies.at("/");
  REQUIRE(main.plain.size() == 1);
  CHECK(main.plain[0].spec.name == "short");
  CHECK(main.plain[0].spec.pattern == "^tmp");
  CHECK(main.plain[0].spec.apply_to == PolicyTarget::queues);
  CHECK(main.plain[0].spec.priority == 2);
  CHECK(main.plain[0].place == "broker.yaml:5:12");
  CHECK(main.by_operator.at(0).spec.name == "cap");
  CHECK(got.settings.policies.at("other").plain.at(0).spec.definition.size() == 2);
  REQUIRE(got.settings.vhost_limits.size() == 1);
  CHECK(got.settings.vhost_limits[0].name == "other");
  CHECK(limit_in(got.settings.vhost_limits[0].limits, "max-connections") == 10u);
  CHECK_FALSE(limit_in(got.settings.vhost_limits[0].limits, "max-queues"));
  CHECK(limit_in(got.settings.user_limits.at(0).limits, "max-channels") == 5u);
}

TEST_CASE("Without users in the file there is guest, who may have limits") {
  CHECK(read("limits: {users: [{name: guest, max_connections: 3}]}").settings.user_limits.size() == 1);
}

TEST_CASE("Mistakes in policies and limits are told at their place") {
  CHECK(read("policies: [{name: p, pattern: \"(\", definition: {max-length: 1}}]").error ==
        "broker.yaml:1:31: pattern should be regular expression but is invalid: missing ): (");
  CHECK_THAT(read("policies: [{name: p, pattern: q, definition: {max-lenght: 1}}]").error,
             Contains("broker.yaml:1:46: [{<<\"max-lenght\">>,1}] are not recognised policy settings"));
  CHECK_THAT(read("policies: [{name: p, pattern: q}]").error, Contains("no policy provided"));
  CHECK_THAT(read("policies: [{pattern: q, definition: {max-length: 1}}]").error,
             Contains("'policies[].name' is missing"));
  CHECK_THAT(read("policies: [{name: p, vhost: ohter, pattern: q, definition: {max-length: 1}}]").error,
             Contains("there is no vhost 'ohter' in this file"));
  CHECK_THAT(read("policies: [{name: p, pattern: q, apply_to: queue, definition: {max-length: 1}}]").error,
             Contains("broker.yaml:1:44"));
  CHECK_THAT(read("operator_policies: [{name: p, pattern: q, definition: {overflow: drop-head}}]").error,
             Contains("are not recognised policy settings"));
  CHECK_THAT(read("policies: [{name: p, pattern: q, definition: {max-length: 1}}, {name: p, pattern: q, definition: "
                  "{max-length: 1}}]")
                 .error,
             Contains("the policy 'p' is there twice"));
  CHECK_THAT(read("limits: {users: [{name: ann, max_connections: 3}]}").error, Contains("there is no user 'ann'"));
  CHECK_THAT(read("limits: {vhosts: [{name: /, max_connections: many}]}").error, Contains("broker.yaml:1:46"));
  CHECK_THAT(read("limits: {vhosts: [{name: /, max_channels: 1}]}").error, Contains("unknown key 'max_channels'"));
}

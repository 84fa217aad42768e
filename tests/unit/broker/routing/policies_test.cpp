#include <catch2/catch.hpp>

#include "tests/unit/broker/routing/topology.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

PolicySpec policy(std::string name, std::string pattern, wherry::amqp::Table definition, std::int64_t priority = 0,
                  PolicyTarget to = PolicyTarget::all) {
  return {std::move(name), std::move(pattern), to, priority, std::move(definition)};
}

struct World {
  void set(PolicySpec spec, PolicyKind kind = PolicyKind::plain) { REQUIRE(policies.set(kind, std::move(spec))); }
  EffectiveRef of(std::string name, wherry::amqp::Table arguments = {}) {
    QueueSpec spec;
    spec.name = std::move(name);
    spec.arguments = std::move(arguments);
    return policies.of(spec);
  }
  std::string policy_of(const std::string& name) {
    const EffectiveRef effective = of(name);
    return effective ? effective->policy : "none";
  }
  // Of an argument that is a number; -1 when it is not there.
  std::int64_t number(const std::string& argument, wherry::amqp::Table own = {}) {
    std::int64_t value = -1;
    if (const EffectiveRef effective = of("q", std::move(own))) effective->arguments.integer(argument, value);
    return value;
  }
  std::string text(const std::string& argument, wherry::amqp::Table own = {}) {
    const EffectiveRef effective = of("q", std::move(own));
    const std::string* found = effective ? effective->arguments.string(argument) : nullptr;
    return found ? *found : "none";
  }

  Policies policies;
};

std::string fault(wherry::amqp::Table definition, PolicyKind kind = PolicyKind::plain) {
  return policy_fault(kind, policy("p", "^q", std::move(definition)));
}

constexpr auto plain = PolicyKind::plain;
constexpr auto by_operator = PolicyKind::by_operator;

}  // namespace

TEST_CASE("policies: a pattern matches anywhere in the name unless it is anchored") {
  World world;
  world.set(policy("any", "b.", table({{"max-length", 1}})));
  CHECK(world.policy_of("abc") == "any");
  CHECK(world.policy_of("ab") == "none");
  world.set(policy("any", "^b", table({{"max-length", 1}})));
  CHECK(world.policy_of("abc") == "none");
  CHECK(world.policy_of("bc") == "any");
  world.set(policy("any", "", table({{"max-length", 1}})));
  CHECK(world.policy_of("") == "any");
  // Bytes, whatever they are.
  world.set(policy("any", "^\xff.$", table({{"max-length", 1}})));
  CHECK(world.policy_of("\xff\xfe") == "any");
}

TEST_CASE("policies: of several that match, the one of the highest priority counts, alone") {
  World world;
  world.set(policy("low", "q", table({{"max-length", 1}, {"message-ttl", 5}}), -1));
  world.set(policy("high", "q", table({{"max-length", 9}}), 3));
  CHECK(world.number("x-max-length") == 9);
  CHECK(world.number("x-message-ttl") == -1);
  world.set(policy("equal", "q", table({{"max-length", 7}}), 3));
  CHECK(world.policy_of("q") == "equal");
  world.set(policy("high", "q", table({{"max-length", 9}}), 4));
  CHECK(world.policy_of("q") == "high");
  REQUIRE(world.policies.clear(plain, "high"));
  REQUIRE(world.policies.clear(plain, "equal"));
  CHECK(world.number("x-max-length") == 1);
}

TEST_CASE("policies: against an argument the smaller number counts, and of texts the argument") {
  World world;
  world.set(
      policy("p", "q", table({{"max-length", 10}, {"dead-letter-exchange", "policy's"}, {"overflow", "drop-head"}})));
  CHECK(world.number("x-max-length", table({{"x-max-length", 5}})) == 5);
  CHECK(world.number("x-max-length", table({{"x-max-length", 50}})) == 10);
  CHECK(world.text("x-dead-letter-exchange") == "policy's");
  CHECK(world.text("x-dead-letter-exchange", table({{"x-dead-letter-exchange", "own"}})) == "own");
  CHECK(world.text("x-overflow", table({{"x-overflow", "reject-publish"}})) == "reject-publish");
  // What no policy speaks of stays.
  CHECK(world.number("x-max-priority", table({{"x-max-priority", 3}})) == 3);
}

TEST_CASE("no delivery limit of its own does not take a queue out of a policy's") {
  World world;
  world.set(policy("p", "^q", table({{"delivery-limit", 5}})), PolicyKind::by_operator);
  CHECK(world.number("x-delivery-limit", table({{"x-delivery-limit", -1}})) == 5);
  CHECK(world.number("x-delivery-limit", table({{"x-delivery-limit", 0}})) == 0);
}

TEST_CASE("policies: an operator policy caps what policy and arguments ask for") {
  World world;
  world.set(policy("cap", "q", table({{"max-length", 10}, {"message-ttl", 1000}})), by_operator);
  CHECK(world.number("x-max-length") == 10);
  CHECK(world.number("x-max-length", table({{"x-max-length", 50}})) == 10);
  world.set(policy("p", "q", table({{"max-length", 20}, {"message-ttl", 100}, {"expires", 7}})));
  CHECK(world.number("x-max-length") == 10);
  CHECK(world.number("x-message-ttl") == 100);
  CHECK(world.number("x-expires") == 7);
  const EffectiveRef effective = world.of("q");
  CHECK(effective->policy == "p");
  CHECK(effective->operator_policy == "cap");
  CHECK(effective->definition.size() == 3);
}

TEST_CASE("policies: apply-to says of what") {
  World world;
  const ExchangeSpec exchange{"x", "direct", true, false, false, {}};
  const auto quorum = table({{"x-queue-type", "quorum"}});
  world.set(policy("p", "", table({{"max-length", 1}}), 0, PolicyTarget::queues));
  CHECK(world.of("q"));
  CHECK_FALSE(world.policies.of(exchange));
  world.set(policy("p", "", table({{"max-length", 1}}), 0, PolicyTarget::exchanges));
  CHECK_FALSE(world.of("q"));
  CHECK(world.policies.of(exchange));
  CHECK_FALSE(world.policies.of(ExchangeSpec{"", "direct", true, false, false, {}}));
  world.set(policy("p", "", table({{"max-length", 1}}), 0, PolicyTarget::classic_queues));
  CHECK(world.of("q"));
  CHECK_FALSE(world.of("q", quorum));
  world.set(policy("p", "", table({{"max-length", 1}}), 0, PolicyTarget::quorum_queues));
  CHECK_FALSE(world.of("q"));
  CHECK(world.of("q", quorum));
}

TEST_CASE("policies: what is no policy is refused in RabbitMQ's words") {
  CHECK(fault({}) == "no policy provided");
  CHECK(fault(table({{"foo", 1}, {"bar", "x"}})) ==
        "[{<<\"bar\">>,<<\"x\">>},{<<\"foo\">>,1}] are not recognised policy settings");
  CHECK(fault(table({{"message-ttl", -1}})) == "-1 is not a valid message TTL");
  CHECK(fault(table({{"message-ttl", "x"}})) == "<<\"x\">> is not a valid message TTL");
  CHECK(fault(table({{"message-ttl", std::int64_t{1} << 60}})).ends_with("is not a valid message TTL"));
  CHECK(fault(table({{"message-ttl", 0}})).empty());
  CHECK(fault(table({{"expires", 0}})) == "0 is not a valid queue expiry");
  CHECK(fault(table({{"max-length", -1}})) == "-1 is not a valid maximum length");
  CHECK(fault(table({{"max-length-bytes", "a"}})) == "<<\"a\">> is not a valid maximum length in bytes");
  CHECK(fault(table({{"overflow", "x"}})) == "<<\"x\">> is not a valid overflow value");
  CHECK(fault(table({{"delivery-limit", -1}})) == "-1 is not a valid delivery limit");
  CHECK(fault(table({{"dead-letter-exchange", 1}})) == "1 is not a valid dead letter exchange name");
  CHECK(fault(table({{"alternate-exchange", 1}})) == "1 is not a valid alternate exchange name");
  CHECK(fault(table({{"queue-mode", "lazy"}, {"ha-mode", "all"}})).empty());
  CHECK(fault(table({{"overflow", "drop-head"}}), by_operator).ends_with("are not recognised policy settings"));
  CHECK(fault(table({{"max-length", 5}}), by_operator).empty());
  CHECK(policy_fault(plain, policy("p", "(", table({{"max-length", 1}})))
            .starts_with("pattern should be regular expression but is invalid"));
  CHECK_FALSE(policy_fault(plain, policy("", "q", table({{"max-length", 1}}))).empty());
  CHECK_FALSE(policy_fault(plain, policy("p", std::string(5000, 'q'), table({{"max-length", 1}}))).empty());
}

TEST_CASE("policies: our own settings, rates with fractions too") {
  World world;
  world.set(policy("p", "q",
                   table({{"rate-limit", 2.5}, {"rate-burst", 4}, {"consumer-timeout", 1000}, {"hold-eta", true}})));
  const auto rate = [&](amqp::FieldValue own) {
    return *world.of("q", table({{"x-rate-limit", std::move(own)}}))->arguments.find("x-rate-limit");
  };
  CHECK(rate(10) == amqp::FieldValue(2.5));
  CHECK(rate(1) == amqp::FieldValue(1));
  CHECK(rate(0.5) == amqp::FieldValue(0.5));
  CHECK(world.number("x-consumer-timeout", table({{"x-consumer-timeout", 5000}})) == 1000);
  CHECK(fault(table({{"rate-limit", 0}})) == "0 is not a valid rate");
  CHECK(fault(table({{"rate-burst", 0}})) == "0 is not a valid burst");
  CHECK(fault(table({{"consumer-timeout", -1}})) == "-1 is not a valid consumer timeout");
  CHECK(fault(table({{"hold-eta", 1}})) == "1 is not a valid hold-eta value");
  CHECK(fault(table({{"hold-eta", true}}), by_operator).ends_with("are not recognised policy settings"));
}

TEST_CASE("policies: what stands in the configuration cannot be changed at run time, and hides what was set") {
  World world;
  world.set(policy("p", "q", table({{"max-length", 1}})));
  world.policies.configure(plain, {{policy("p", "q", table({{"max-length", 2}})), "broker.yaml:3:5"}});
  CHECK(world.number("x-max-length") == 2);
  const auto set = world.policies.set(plain, policy("p", "q", table({{"max-length", 3}})));
  REQUIRE_FALSE(set);
  CHECK(set.error().message == "policy 'p' stands in the configuration (broker.yaml:3:5): change it there");
  CHECK_FALSE(world.policies.clear(plain, "p"));
  const auto listed = world.policies.list(plain);
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].place == "broker.yaml:3:5");
  // An operator policy may have the name.
  CHECK(world.policies.set(by_operator, policy("p", "q", table({{"max-length", 3}}))));
  world.policies.configure(plain, {});
  CHECK(world.number("x-max-length") == 1);
}

TEST_CASE("policies: queues without arguments share what applies to them") {
  World world;
  world.set(policy("p", "", table({{"max-length", 1}})));
  CHECK(world.of("a").get() == world.of("b").get());
  world.set(policy("p", "", table({{"max-length", 2}})));
  CHECK(world.number("x-max-length") == 2);
}

TEST_CASE("policies: as a table and back, with defaults for what is missing") {
  const PolicySpec spec = policy("p", "^q", table({{"max-length", 1}}), -3, PolicyTarget::quorum_queues);
  CHECK(policy_of("p", to_table(spec)) == spec);
  const auto brief = policy_of("p", table({{"pattern", "x"}}));
  REQUIRE(brief);
  CHECK(brief->apply_to == PolicyTarget::all);
  CHECK_FALSE(policy_of("p", table({{"pattern", 1}})));
  CHECK_FALSE(policy_of("p", table({{"apply-to", "nothing"}})));
  CHECK_FALSE(policy_of("p", table({{"priority", "1"}})));
  CHECK_FALSE(policy_of("p", table({{"definition", 1}})));
}

// --- in a vhost ------------------------------------------------------------------------------------------------------

TEST_CASE("a vhost applies policies to the queues that are there and to new ones, and says which changed") {
  Topology topology;
  const QueueEntryRef early = topology.queue("tmp.early");
  topology.queue("other");
  auto changed = topology.set_policy(plain, policy("p", "^tmp", table({{"max-length", 5}})));
  REQUIRE(changed);
  CHECK(Topology::names(*changed) == Names{"tmp.early"});
  const QueueEntryRef late = topology.queue("tmp.late");
  for (const QueueEntryRef& queue : {early, late}) {
    REQUIRE(topology.effective(*queue));
    CHECK(topology.effective(*queue)->policy == "p");
    CHECK(queue->spec.arguments.empty());
  }
  // The same again changes nothing.
  CHECK(topology.set_policy(plain, policy("p", "^tmp", table({{"max-length", 5}})))->empty());
  CHECK(Topology::names(*topology.clear_policy(plain, "p")) == Names{"tmp.early", "tmp.late"});
  CHECK_FALSE(topology.effective(*early));
  CHECK(topology.clear_policy(plain, "p").error().message == "Parameter does not exist");
  topology.remove_queue(early);
  CHECK_FALSE(topology.effective(*early));
}

TEST_CASE("a declaration is compared with arguments, not with policies") {
  Topology topology;
  REQUIRE(topology.set_policy(plain, policy("p", "", table({{"max-length", 5}}))));
  topology.queue("q");
  topology.queue("q");
  QueueSpec other{"q", false, false, false, table({{"x-max-length", 5}})};
  CHECK(refusal(topology.declare_queue(other, 1, 0, false)).code == wherry::amqp::ReplyCode::precondition_failed);
}

TEST_CASE("an alternate exchange comes from a policy as well, for exchanges that are there and new ones") {
  Topology topology;
  topology.queue("rest");
  topology.exchange("ae", "fanout");
  topology.bind_queue("ae", "rest", "");
  topology.exchange("x", "direct");
  CHECK(topology.reached("x", "nobody").empty());
  const std::uint64_t version = topology.version();
  REQUIRE(topology.set_policy(plain, policy("p", "^(x|y|amq\\.direct)$", table({{"alternate-exchange", "ae"}}))));
  CHECK(topology.version() != version);
  topology.exchange("y", "direct");
  CHECK(topology.reached("x", "nobody") == Names{"rest"});
  CHECK(topology.reached("y", "nobody") == Names{"rest"});
  CHECK(topology.reached("amq.direct", "nobody") == Names{"rest"});
  topology.exchange("z", "direct", table({{"alternate-exchange", "nowhere"}}));
  REQUIRE(topology.set_policy(plain, policy("p", "z", table({{"alternate-exchange", "ae"}}))));
  CHECK(topology.reached("z", "nobody").empty());
  CHECK(topology.reached("x", "nobody").empty());
}

TEST_CASE("a vhost takes as many queues as it may, and those that are there stay") {
  Topology topology;
  topology.queue("a");
  topology.queue("b");
  topology.set_max_queues(1);
  topology.queue("a");
  const QueueSpec spec{"c", false, true, false, {}};
  const auto refused = refusal(topology.declare_queue(spec, 1, 0, false));
  CHECK(refused.code == wherry::amqp::ReplyCode::precondition_failed);
  CHECK(refused.explanation == "cannot declare queue 'c': queue limit in vhost '/' (1) is reached");
  topology.set_max_queues({});
  CHECK(topology.declare_queue(spec, 1, 0, false));
}

#include "broker/routing/limits.h"

#include <catch2/catch.hpp>

#include "tests/unit/broker/routing/topology.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("limits: what is none is refused in RabbitMQ's words") {
  CHECK(limits_fault(LimitScope::vhost, table({{"max-connections", 5}, {"max-queues", -1}})).empty());
  CHECK(limits_fault(LimitScope::user, table({{"max-connections", 5}, {"max-channels", 0}})).empty());
  CHECK(limits_fault(LimitScope::vhost, table({{"max-connections", "x"}})) ==
        "max-connections should be a number, actually was <<\"x\">>");
  CHECK(limits_fault(LimitScope::vhost, table({{"foo", 1}})) == "Unrecognised terms [{<<\"foo\">>,1}] in limits");
  CHECK(limits_fault(LimitScope::user, table({{"max-queues", 1}})) ==
        "Unrecognised terms [{<<\"max-queues\">>,1}] in user-limits");
}

TEST_CASE("limits: a negative one is none") {
  CHECK_FALSE(limit_in(table({{"max-queues", -1}}), "max-queues"));
  CHECK_FALSE(limit_in({}, "max-queues"));
  CHECK(limit_in(table({{"max-queues", 0}}), "max-queues") == 0u);
}

TEST_CASE("limits: what was set is replaced and taken away, and the configuration's count instead") {
  Limits limits(LimitScope::vhost);
  CHECK(limits.set("/", table({{"max-queues", 1}}))->empty());
  CHECK(*limits.set("/", table({{"max-connections", 2}})) == table({{"max-queues", 1}}));
  CHECK(limits.of("/") == table({{"max-connections", 2}}));
  limits.configure({{"/", table({{"max-queues", 9}}), "broker.yaml:1:2"}});
  CHECK(limits.of("/") == table({{"max-queues", 9}}));
  CHECK(limits.set("/", {}).error().message ==
        "the limits of vhost '/' stand in the configuration (broker.yaml:1:2): change them there");
  REQUIRE(limits.set("other", table({{"max-queues", 3}})));
  REQUIRE(limits.list().size() == 2);
  CHECK(limits.list()[0].place == "broker.yaml:1:2");
  CHECK(limits.list()[1].name == "other");
  limits.configure({});
  CHECK(limits.of("/") == table({{"max-connections", 2}}));
  CHECK(limits.set("/", {}));
  CHECK(limits.of("/").empty());
}

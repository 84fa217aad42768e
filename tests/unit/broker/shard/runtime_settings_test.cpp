// Policies and limits that change while clients are at work, on one shard and on several.
#include <catch2/catch.hpp>

#include "tests/unit/broker/shard/clients.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;
using Catch::Matchers::Contains;

namespace {

amqp::Table table(std::initializer_list<std::pair<const char*, amqp::FieldValue>> entries) {
  amqp::Table made;
  for (const auto& [name, value] : entries) made.set(name, value);
  return made;
}

PolicySpec policy(const std::string& name, const std::string& pattern, amqp::Table definition) {
  return {name, pattern, PolicyTarget::all, 0, std::move(definition)};
}

void publish_to(World& world, Client& client, const std::string& queue, int messages) {
  world.declare(client, queue);
  for (int i = 0; i < messages; ++i) client.publish(1, "", queue, "x");
  REQUIRE(world.until([&] { return world.ready(client, queue) == static_cast<std::uint32_t>(messages); }));
}

// A connection that is to be refused, and how.
std::string refused(World& world, Client& client) {
  REQUIRE(world.until([&] { return client.over; }));
  return client.ended.text;
}

}  // namespace

TEST_CASE("a policy that is set changes queues on every shard, and new ones have it from the start") {
  World world(3);
  std::vector<Client*> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(&world.connect());
    publish_to(world, *clients[i], "q" + std::to_string(i), 5);
  }
  RuntimeSettings& settings = world.broker().settings();
  REQUIRE(settings.set_policy("/", PolicyKind::plain, policy("p", "^q", table({{"max-length", 2}}))));
  for (int i = 0; i < 3; ++i) {
    REQUIRE(world.until([&] { return world.ready(*clients[i], "q" + std::to_string(i)) == 2; }));
  }
  publish_to(world, *clients[0], "q.new", 2);
  clients[0]->publish(1, "", "q.new", "x");
  CHECK(world.ready(*clients[0], "q.new") == 2);
  // Without it there is room again.
  REQUIRE(settings.clear_policy("/", PolicyKind::plain, "p"));
  REQUIRE(world.until([&] {
    clients[0]->publish(1, "", "q.new", "x");
    return world.ready(*clients[0], "q.new") > 2;
  }));
}

TEST_CASE("dead letters go where a policy says") {
  World world(2);
  Client& client = world.connect();
  world.declare(client, "dead");
  REQUIRE(world.broker().settings().set_policy(
      "/", PolicyKind::plain,
      policy("p", "^work$",
             table({{"dead-letter-exchange", ""}, {"dead-letter-routing-key", "dead"}, {"max-length", 1}}))));
  Client& other = world.connect();
  world.declare(other, "work");
  other.publish(1, "", "work", "first");
  other.publish(1, "", "work", "second");
  REQUIRE(world.until([&] { return world.ready(client, "dead") == 1; }));
}

TEST_CASE("what stands in the configuration counts from the start, and is replaced as a whole") {
  ConfiguredSettings configured;
  configured.policies["/"].plain.push_back({policy("p", "", table({{"max-length", 1}})), "broker.yaml:1:1"});
  configured.vhost_limits.push_back({"/", table({{"max-queues", 1}}), "broker.yaml:2:1"});
  World world(1, [&](BrokerConfig& config) { config.settings = configured; });
  Client& client = world.connect();
  publish_to(world, client, "q", 1);
  client.publish(1, "", "q", "x");
  CHECK(world.ready(client, "q") == 1);
  RuntimeSettings& settings = world.broker().settings();
  CHECK_THAT(settings.set_policy("/", PolicyKind::plain, policy("p", "", table({{"max-length", 9}}))).error().message,
             Contains("broker.yaml:1:1"));
  CHECK_THAT(settings.set_vhost_limits("/", {}).error().message, Contains("broker.yaml:2:1"));
  client.send(1, amqp::QueueDeclare{.queue = "second"});
  REQUIRE(world.until([&] { return client.closed.contains(1); }));
  CHECK(client.closed[1] == 406);
  settings.configure({});
  Client& next = world.connect();
  publish_to(world, next, "second", 3);
  CHECK(settings.list_policies("/", PolicyKind::plain)->empty());
}

TEST_CASE("there are as many connections of a vhost and of a user as may be") {
  World world(2);
  RuntimeSettings& settings = world.broker().settings();
  Client& first = world.connect();
  SECTION("of the vhost") {
    REQUIRE(settings.set_vhost_limits("/", table({{"max-connections", 1}})));
    Client second(world.broker().address().port);
    REQUIRE(world.until([&] {
      second.move();
      return second.over;
    }));
    CHECK_THAT(second.ended.text,
               Contains("access to vhost '/' refused for user 'guest': connection limit (1) is reached"));
    CHECK(second.ended.code == 530);
    REQUIRE(settings.set_vhost_limits("/", table({{"max-connections", 2}})));
  }
  SECTION("of the user") {
    REQUIRE(settings.set_user_limits("guest", table({{"max-connections", 1}})));
    Client second(world.broker().address().port);
    REQUIRE(world.until([&] {
      second.move();
      return second.over;
    }));
    CHECK_THAT(second.ended.text,
               Contains("connection refused for user 'guest': user connection limit (1) is reached"));
    REQUIRE(settings.clear_user_limits("guest", "all"));
  }
  SECTION("and one that leaves makes room") {
    REQUIRE(settings.set_user_limits("guest", table({{"max-connections", 1}})));
    first.drop();
    REQUIRE(world.until([&] {
      Client next(world.broker().address().port);
      REQUIRE(world.until([&] {
        next.move();
        return next.over || next.ready;
      }));
      return next.ready;
    }));
    REQUIRE(settings.clear_user_limits("guest", "max-connections"));
  }
  world.connect();
}

TEST_CASE("a user has as many channels as may be, on all connections together") {
  World world(2);
  REQUIRE(world.broker().settings().set_user_limits("guest", table({{"max-channels", 3}})));
  Client& first = world.connect();
  Client& second = world.connect();
  second.open(2);
  REQUIRE(world.until([&] { return second.answers["channel.open-ok"] >= 2; }));
  first.open(2);
  CHECK_THAT(refused(world, first),
             Contains("number of channels opened for user 'guest' has reached the maximum allowed user limit of (3)"));
  CHECK(first.ended.code == 530);
  CHECK(first.answers["channel.open-ok"] == 1);
  // Its channel is free again.
  second.open(3);
  REQUIRE(world.until([&] { return second.answers["channel.open-ok"] >= 3; }));
  REQUIRE(world.broker().settings().set_user_limits("guest", table({{"max-connections", 9}})));
  CHECK(world.broker().settings().list_user_limits()[0].limits.size() == 2);
  CHECK_FALSE(world.broker().settings().set_user_limits("nobody", table({{"max-channels", 3}})));
  CHECK_FALSE(world.broker().settings().set_vhost_limits("nowhere", table({{"max-queues", 3}})));
}

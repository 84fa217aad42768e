// Deliveries between shards: order, nothing lost and nothing twice, whatever goes away meanwhile.
#include <set>

#include <catch2/catch.hpp>

#include "tests/unit/broker/shard/clients.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

void ack(Client& client, std::uint16_t channel, std::uint64_t tag, bool multiple = false) {
  amqp::BasicAck method;
  method.delivery_tag = tag;
  method.multiple = multiple;
  client.send(channel, method);
}

void fill(World& world, Client& client, const std::string& queue, int count) {
  world.call(client, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  const auto before = client.confirmed;
  for (int i = 0; i < count; ++i) client.publish(1, "", queue, std::to_string(i));
  REQUIRE(world.until([&] { return client.confirmed - before == static_cast<std::uint64_t>(count); }));
}

}  // namespace

TEST_CASE("a queue's order is kept wherever producer, queue and consumer are") {
  const unsigned shards = GENERATE(1u, 2u, 4u);
  const bool no_ack = GENERATE(false, true);
  World world(shards);
  Client& owner = world.connect();
  world.declare(owner, "q");
  Client& producer = world.connect();
  world.connect();
  Client& consumer = world.connect();
  amqp::BasicQos qos;
  qos.prefetch_count = 7;
  world.call(consumer, 1, qos, "basic.qos-ok");
  world.consume(consumer, 1, "q", "c", no_ack);
  constexpr int count = 3000;
  for (int i = 0; i < count; ++i) producer.publish(1, "", "q", std::to_string(i));
  std::size_t acked = 0;
  REQUIRE(world.until([&] {
    for (; !no_ack && acked < consumer.deliveries.size(); ++acked) ack(consumer, 1, consumer.deliveries[acked].tag);
    return consumer.deliveries.size() >= count;
  }));
  for (int i = 0; i < count; ++i) {
    REQUIRE(consumer.deliveries[static_cast<std::size_t>(i)].body == std::to_string(i));
    REQUIRE_FALSE(consumer.deliveries[static_cast<std::size_t>(i)].redelivered);
  }
}

TEST_CASE("refusals lose nothing and double nothing: a small prefetch over many queues") {
  World world(3);
  constexpr int queues = 12;
  constexpr int each = 60;
  for (int q = 0; q < queues; ++q) {
    Client& owner = world.connect();
    const std::string name = "q" + std::to_string(q);
    world.declare(owner, name);
    fill(world, owner, name, each);
  }
  Client& consumer = world.connect();
  amqp::BasicQos qos;
  qos.prefetch_count = 3;
  qos.global = true;
  world.call(consumer, 1, qos, "basic.qos-ok");
  for (int q = 0; q < queues; ++q) {
    const std::string name = "q" + std::to_string(q);
    world.consume(consumer, 1, name, name);
  }
  std::map<std::string, int> next;
  std::size_t seen = 0;
  REQUIRE(world.until([&] {
    REQUIRE(consumer.deliveries.size() - seen <= 3);
    for (; seen < consumer.deliveries.size(); ++seen) {
      const Received& delivery = consumer.deliveries[seen];
      REQUIRE(delivery.body == std::to_string(next[delivery.consumer]++));
      REQUIRE_FALSE(delivery.redelivered);
      ack(consumer, 1, delivery.tag);
    }
    return seen == queues * each;
  }));
}

TEST_CASE("cancel-ok comes after the last delivery, and what was under way is as it was") {
  const bool no_ack = GENERATE(false, true);
  World world(2);
  Client& owner = world.connect();
  world.declare(owner, "q");
  Client& consumer = world.connect();
  constexpr int count = 5000;
  fill(world, owner, "q", count);
  amqp::BasicQos qos;
  qos.prefetch_count = 100;
  qos.global = true;
  world.call(consumer, 1, qos, "basic.qos-ok");
  world.consume(consumer, 1, "q", "c", no_ack);
  amqp::BasicCancel cancel;
  cancel.consumer_tag = "c";
  world.call(consumer, 1, cancel, "basic.cancel-ok");
  const std::size_t taken = consumer.deliveries.size();
  std::uint32_t left = 0;
  REQUIRE(world.until([&] { return (left = world.ready(owner, "q")) == count - taken; }));
  CHECK(consumer.deliveries.size() == taken);
  for (std::uint32_t i = 0; i < left; ++i) {
    amqp::BasicGet get;
    get.queue = "q";
    get.no_ack = true;
    owner.send(1, get);
  }
  REQUIRE(world.until([&] { return owner.got.size() == left; }));
  for (std::uint32_t i = 0; i < left; ++i) {
    REQUIRE(owner.got[i].body == std::to_string(taken + i));
    REQUIRE_FALSE(owner.got[i].redelivered);
  }
}

TEST_CASE("a lost connection gives back what it had, in order; what it never saw is not redelivered") {
  const unsigned shards = GENERATE(1u, 2u);
  World world(shards);
  Client& owner = world.connect();
  world.declare(owner, "q");
  Client& lost = world.connect();
  constexpr int count = 2000;
  fill(world, owner, "q", count);
  amqp::BasicQos qos;
  qos.prefetch_count = 50;
  world.call(lost, 1, qos, "basic.qos-ok");
  lost.open(2);
  REQUIRE(world.until([&] { return lost.answers["channel.open-ok"] == 2; }));
  // The second channel would lose what the first gives back, if a dying connection were served.
  world.consume(lost, 1, "q", "with ack");
  REQUIRE(world.until([&] { return lost.deliveries.size() == 50; }));
  lost.send(1, amqp::BasicGet{.queue = "q"});
  lost.drop();
  REQUIRE(world.until([&] { return world.ready(owner, "q") == count; }));
  Client& heir = world.connect();
  world.consume(heir, 1, "q", "c");
  REQUIRE(world.until([&] { return heir.deliveries.size() == count; }));
  for (std::size_t i = 0; i < count; ++i) REQUIRE(heir.deliveries[i].body == std::to_string(i));
  CHECK(heir.deliveries[0].redelivered);
  CHECK(heir.deliveries[49].redelivered);
  CHECK_FALSE(heir.deliveries[51].redelivered);
}

TEST_CASE("channels of one connection share a slow socket fairly") {
  World world(2);
  Client& owner = world.connect();
  Client& slow = world.connect();
  slow.open(2);
  REQUIRE(world.until([&] { return slow.answers["channel.open-ok"] == 2; }));
  const std::string big(200'000, 'x');
  for (const char* queue : {"a", "b"}) {
    world.declare(owner, queue);
    for (int i = 0; i < 60; ++i) owner.publish(1, "", queue, big);
  }
  REQUIRE(world.until([&] { return world.ready(owner, "a") == 60 && world.ready(owner, "b") == 60; }));
  // Both at once: before the second is asked for, the first queue may well be empty.
  slow.send(1, amqp::BasicConsume{.queue = "a", .consumer_tag = "a", .no_ack = true, .arguments = {}});
  slow.send(2, amqp::BasicConsume{.queue = "b", .consumer_tag = "b", .no_ack = true, .arguments = {}});
  REQUIRE(world.until([&] { return slow.deliveries.size() == 120; }));
  // The second queue did not wait for the first to be empty.
  std::size_t first_b = 0;
  while (slow.deliveries[first_b].consumer != "b") ++first_b;
  CHECK(first_b < 50);
}

TEST_CASE(
    "what a channel's consumers and gets give back together is in its place before anybody gets the first of it") {
  World world(GENERATE(1u, 2u));
  Client& owner = world.connect();
  world.declare(owner, "q");
  fill(world, owner, "q", 8);
  Client& holder = world.connect();
  holder.send(1, amqp::BasicGet{.queue = "q"});
  REQUIRE(world.until([&] { return holder.got.size() == 1; }));
  Client& client = world.connect();
  world.call(client, 1, amqp::BasicQos{.prefetch_count = 3}, "basic.qos-ok");
  world.consume(client, 1, "q", "c");
  REQUIRE(world.until([&] { return client.deliveries.size() == 3; }));
  // The first message comes back, the consumer has no room, and its channel gets it by hand: under the highest tag.
  holder.send(1, amqp::BasicNack{holder.got[0].tag, false, true});
  REQUIRE(world.until([&] { return world.ready(owner, "q") == 5; }));
  client.send(1, amqp::BasicGet{.queue = "q"});
  REQUIRE(world.until([&] { return client.got.size() == 1; }));
  REQUIRE(client.got[0].body == "0");
  client.deliveries.clear();
  world.call(client, 1, amqp::BasicRecover{.requeue = true}, "basic.recover-ok");
  REQUIRE(world.until([&] { return client.deliveries.size() == 3; }));
  for (int i = 0; i < 3; ++i) CHECK(client.deliveries[static_cast<std::size_t>(i)].body == std::to_string(i));
}

TEST_CASE("dead letters of several consumers of a channel leave in the order of their tags") {
  World world(GENERATE(1u, 2u));
  Client& owner = world.connect();
  world.declare(owner, "dead");
  amqp::Table arguments;
  arguments.set("x-dead-letter-exchange", "");
  arguments.set("x-dead-letter-routing-key", "dead");
  Client& client = world.connect();
  world.declare(client, "q", std::move(arguments));
  world.consume(client, 1, "q", "c");
  world.consume(client, 1, "q", "d");
  fill(world, owner, "q", 6);
  REQUIRE(world.until([&] { return client.deliveries.size() == 6; }));
  client.send(1, amqp::BasicNack{6, true, false});
  world.consume(owner, 1, "dead", "e", true);
  REQUIRE(world.until([&] { return owner.deliveries.size() == 6; }));
  for (std::size_t i = 0; i < 6; ++i) CHECK(owner.deliveries[i].body == client.deliveries[i].body);
}

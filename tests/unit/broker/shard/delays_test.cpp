// Delayed messages: in order wherever publisher, queue and consumer are, and gone with their exchange.
#include <catch2/catch.hpp>

#include "protocol/amqp/properties.h"
#include "tests/unit/broker/shard/clients.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

void declare_delayed(World& world, Client& client, std::string_view exchange, std::string_view queue) {
  amqp::Table arguments;
  arguments.set("x-delayed-type", "direct");
  const std::string raw = amqp::encode_table(arguments);
  amqp::ExchangeDeclare declare;
  declare.exchange = exchange;
  declare.type = "x-delayed-message";
  declare.arguments = {raw};
  world.call(client, 1, declare, "exchange.declare-ok");
  amqp::QueueBind bind;
  bind.queue = queue;
  bind.exchange = exchange;
  bind.routing_key = "k";
  world.call(client, 1, bind, "queue.bind-ok");
}

void publish_later(Client& client, std::string_view exchange, std::string_view body, std::int64_t delay_ms) {
  amqp::Properties properties;
  properties.delivery_mode = 2;
  properties.headers.emplace().set("x-delay", delay_ms);
  client.publish(1, exchange, "k", body, false, properties);
}

}  // namespace

TEST_CASE("delayed messages come in the order of their time, wherever publisher, queue and consumer are") {
  const unsigned shards = GENERATE(1u, 2u, 3u);
  World world(shards);
  Client& owner = world.connect();
  world.declare(owner, "q");
  declare_delayed(world, owner, "later", "q");
  Client& producer = world.connect();
  Client& consumer = world.connect();
  world.consume(consumer, 1, "q", "c", true);
  world.call(producer, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  constexpr int count = 600;
  // The second half first.
  for (int i = 0; i < count; ++i) {
    const bool late = i < count / 2;
    publish_later(producer, "later", std::to_string((i + count / 2) % count), late ? 1500 : 100);
  }
  REQUIRE(world.until([&] { return producer.confirmed == count; }));
  REQUIRE(world.until([&] { return consumer.deliveries.size() >= count; }));
  for (int i = 0; i < count; ++i) {
    REQUIRE(consumer.deliveries[static_cast<std::size_t>(i)].body == std::to_string(i));
  }
}

TEST_CASE("what waits for a deleted exchange is gone on every shard, and other exchanges' messages come") {
  World world(2);
  Client& owner = world.connect();
  world.declare(owner, "q");
  declare_delayed(world, owner, "x", "q");
  declare_delayed(world, owner, "y", "q");
  for (int number = 0; number < 4; ++number) {
    Client& producer = world.connect();
    world.call(producer, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
    publish_later(producer, "x", "gone", 300);
    publish_later(producer, "y", "kept", 400);
    REQUIRE(world.until([&] { return producer.confirmed == 2; }));
  }
  amqp::ExchangeDelete method;
  method.exchange = "x";
  world.call(owner, 1, method, "exchange.delete-ok");
  // One of that name again: what came before is not its.
  declare_delayed(world, owner, "x", "q");
  Client& consumer = world.connect();
  world.consume(consumer, 1, "q", "c", true);
  REQUIRE(world.until([&] { return consumer.deliveries.size() >= 4; }));
  for (const Received& one : consumer.deliveries) CHECK(one.body == "kept");
}

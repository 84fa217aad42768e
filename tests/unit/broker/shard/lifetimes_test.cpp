// Who hears what when queues, connections and the broker go.
#include <catch2/catch.hpp>

#include "tests/unit/broker/shard/clients.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {
amqp::Table table(const char* name, amqp::FieldValue value) {
  amqp::Table made;
  made.set(name, std::move(value));
  return made;
}
}  // namespace

TEST_CASE("a deleted queue tells its consumers on every shard") {
  World world(3);
  Client& owner = world.connect();
  world.declare(owner, "q");
  std::vector<Client*> consumers;
  for (int i = 0; i < 3; ++i) {
    consumers.push_back(&world.connect());
    world.consume(*consumers.back(), 1, "q", "c");
  }
  Client& other = world.connect();
  world.call(other, 1, amqp::QueueDelete{.queue = "q"}, "queue.delete-ok");
  REQUIRE(world.until([&] {
    for (Client* client : consumers) {
      if (client->cancelled != std::vector<std::string>{"c"}) return false;
    }
    return true;
  }));
}

TEST_CASE("what came from a queue that is deleted can still be answered, once") {
  for (unsigned shards : {1U, 2U}) {
    World world(shards);
    Client& owner = world.connect();
    world.declare(owner, "q");
    for (int i = 0; i < 3; ++i) owner.publish(1, "", "q", "x");
    Client& consumer = world.connect();
    world.consume(consumer, 1, "q", "c");
    REQUIRE(world.until([&] { return consumer.deliveries.size() == 3; }));
    world.call(owner, 1, amqp::QueueDelete{.queue = "q"}, "queue.delete-ok");
    REQUIRE(world.until([&] { return !consumer.cancelled.empty(); }));
    consumer.send(1, amqp::BasicAck{1, false});
    consumer.send(1, amqp::BasicNack{2, false, true});
    consumer.send(1, amqp::BasicReject{3, false});
    world.call(consumer, 1, amqp::BasicQos{}, "basic.qos-ok");
    CHECK_FALSE(consumer.closed.contains(1));
    consumer.send(1, amqp::BasicAck{2, false});
    REQUIRE(world.until([&] { return consumer.closed.contains(1); }));
    CHECK(consumer.closed[1] == 406);
  }
}

TEST_CASE("who deletes a queue has the answer before its own consumers are cancelled, wherever the queue is") {
  World world(2);
  for (int i = 0; i < 4; ++i) {
    Client& owner = world.connect();
    const std::string queue = "q" + std::to_string(i);
    world.declare(owner, queue);
    world.consume(owner, 1, queue, "one");
    world.consume(owner, 1, queue, "two");
    owner.send(1, amqp::QueueDelete{.queue = queue});
    REQUIRE(world.until([&] { return owner.order.size() == 3; }));
    CHECK(owner.order == std::vector<std::string>{"delete-ok", "cancel", "cancel"});
    // Another's queue that goes away is told at once again.
    world.declare(owner, queue);
    world.consume(owner, 1, queue, "three");
    world.call(world.connect(), 1, amqp::QueueDelete{.queue = queue}, "queue.delete-ok");
    REQUIRE(world.until([&] { return owner.cancelled.size() == 3; }));
  }
}

TEST_CASE("an auto-delete queue goes with its last consumer, an exclusive one with its connection") {
  World world(2);
  Client& owner = world.connect();
  Client& other = world.connect();
  world.declare(owner, "auto", {}, false, true);
  world.declare(owner, "mine", {}, true);
  world.consume(other, 1, "auto", "c");
  world.call(other, 1, amqp::BasicCancel{.consumer_tag = "c"}, "basic.cancel-ok");
  other.send(1, amqp::QueueDeclare{.queue = "auto", .passive = true});
  REQUIRE(world.until([&] { return other.closed.contains(1); }));
  CHECK(other.closed[1] == 404);
  Client& third = world.connect();
  third.send(1, amqp::QueueDeclare{.queue = "mine", .passive = true});
  REQUIRE(world.until([&] { return third.closed.contains(1); }));
  CHECK(third.closed[1] == 405);
  owner.drop();
  REQUIRE(world.until([&] {
    Client& asking = world.connect();
    asking.send(1, amqp::QueueDeclare{.queue = "mine", .passive = true});
    if (!world.until([&] { return asking.closed.contains(1); })) return false;
    const bool gone = asking.closed[1] == 404;
    world.forget(asking);
    return gone;
  }));
}

TEST_CASE("a far queue that is full refuses: the publisher gets a nack") {
  World world(2);
  Client& owner = world.connect();
  Client& producer = world.connect();
  amqp::Table limits = table("x-max-length", 2);
  limits.set("x-overflow", "reject-publish");
  world.declare(owner, "full", limits);
  world.call(producer, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  for (int i = 0; i < 5; ++i) producer.publish(1, "", "full", "x");
  REQUIRE(world.until([&] { return producer.confirmed == 5; }));
  CHECK(producer.nacked == 3);
  CHECK(world.ready(owner, "full") == 2);
}

TEST_CASE("a mandatory message that reaches no queue is returned before it is confirmed") {
  World world(2);
  Client& producer = world.connect();
  world.call(producer, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  producer.publish(1, "", "nowhere", "x", true);
  REQUIRE(world.until([&] { return producer.confirmed == 1; }));
  CHECK(producer.order == std::vector<std::string>{"return", "ack"});
}

TEST_CASE("a shard that is behind stops its publishers, and nothing is lost") {
  World world(2, [](BrokerConfig& config) { config.mailbox_high_mark = 4; });
  Client& owner = world.connect();
  world.declare(owner, "q");
  Client& producer = world.connect();
  world.call(producer, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  for (int i = 0; i < 20'000; ++i) producer.publish(1, "", "q", "x");
  REQUIRE(world.until([&] { return producer.confirmed == 20'000; }));
  CHECK(world.ready(owner, "q") == 20'000);
}

TEST_CASE("a stop tells every client, those that wait for another shard too") {
  World world(3);
  std::vector<Client*> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(&world.connect());
  world.declare(*clients[0], "q");
  for (Client* client : clients) world.consume(*client, 1, "q", "c");
  for (Client* client : clients) client->send(1, amqp::BasicGet{.queue = "q"});
  std::thread stopping([&] { world.broker().stop("maintenance"); });
  const bool told = world.until([&] {
    for (Client* client : clients) {
      if (!client->over) return false;
    }
    return true;
  });
  stopping.join();
  REQUIRE(told);
  for (Client* client : clients) {
    CHECK(client->ended.code == 320);
    CHECK(client->ended.text == "CONNECTION_FORCED - broker forced connection closure with reason 'maintenance'");
  }
}

TEST_CASE("a stop does not wait for ever for a client that does not answer") {
  World world(2, [](BrokerConfig& config) { config.shutdown_grace = std::chrono::milliseconds(50); });
  Client& deaf = world.connect();
  deaf.pause(true);
  world.declare(world.connect(), "q");
  world.broker().stop();
  SUCCEED();
}

TEST_CASE("a new secret is accepted whatever it is, and the login stays as it was") {
  World world(1);
  Client& client = world.connect();
  for (const char* secret : {"guest", "another", ""}) {
    world.call(client, 0, amqp::ConnectionUpdateSecret{{secret}, "rotation"}, "connection.update-secret-ok");
  }
  CHECK(client.answers["connection.update-secret-ok"] == 3);
  world.declare(client, "q");
}

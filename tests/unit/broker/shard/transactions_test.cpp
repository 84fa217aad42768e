// Transactions over queues near and far: when they become visible, when commit-ok comes, and what a channel's end
// undoes.
#include <atomic>

#include <catch2/catch.hpp>

#include "broker/store/memory_store.h"
#include "tests/unit/broker/shard/clients.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

void begin(World& world, Client& client) {
  world.call(client, 1, amqp::TxSelect{}, "tx.select-ok");
}
void commit(World& world, Client& client) {
  world.call(client, 1, amqp::TxCommit{}, "tx.commit-ok");
}
void ack(Client& client, std::uint64_t tag, bool multiple = false) {
  amqp::BasicAck method;
  method.delivery_tag = tag;
  method.multiple = multiple;
  client.send(1, method);
}
void declare_durable(World& world, Client& client, std::string_view queue) {
  amqp::QueueDeclare method;
  method.queue = queue;
  method.durable = true;
  world.call(client, 1, method, "queue.declare-ok");
}
const amqp::Properties persistent{.delivery_mode = 2};

// Whoever asks something has been heard before: what a client sent is done.
void heard(World& world, Client& client) {
  world.call(client, 1, amqp::BasicQos{}, "basic.qos-ok");
}

// A store whose disk is let go by the test; what was appended is durable from then on.
class LateStore final : public MemoryStore {
 public:
  LateStore(StoreOwner owner, std::atomic<bool>& stuck) : owner_(std::move(owner)), stuck_(stuck) {}
  Lsn durable() const override { return durable_; }
  void on_durable(std::function<void()> moved) override { moved_ = std::move(moved); }
  void commit() override {
    if (stuck_ || durable_ == MemoryStore::durable()) return;
    durable_ = MemoryStore::durable();
    owner_.post(moved_);
  }

 private:
  StoreOwner owner_;
  std::atomic<bool>& stuck_;
  std::function<void()> moved_;
  Lsn durable_ = 0;
};

}  // namespace

TEST_CASE("publishes of a transaction reach queues of every shard with its commit, and none without") {
  World world(2);
  Client& owner = world.connect();  // Shard 0.
  Client& other = world.connect();  // Shard 1.
  Client& producer = world.connect();
  world.declare(owner, "near");
  world.declare(other, "far");
  begin(world, producer);
  for (const char* queue : {"near", "far", "near"}) producer.publish(1, "", queue, "x");
  heard(world, producer);
  CHECK(world.ready(owner, "near") == 0);
  CHECK(world.ready(owner, "far") == 0);
  commit(world, producer);
  CHECK(world.ready(owner, "near") == 2);
  CHECK(world.ready(owner, "far") == 1);
  producer.publish(1, "", "near", "x");
  world.call(producer, 1, amqp::TxRollback{}, "tx.rollback-ok");
  producer.publish(1, "", "far", "x");
  commit(world, producer);
  CHECK(world.ready(owner, "near") == 2);
  CHECK(world.ready(owner, "far") == 2);
}

TEST_CASE("commit-ok waits for the disks of all the queues, and what it settles elsewhere waits with it") {
  std::atomic<bool> stuck[2] = {true, true};
  World world(2, [&](BrokerConfig& config) {
    config.make_store = [&](unsigned shard, StoreOwner owner) -> Result<std::unique_ptr<MessageStore>> {
      return std::make_unique<LateStore>(std::move(owner), stuck[shard]);
    };
  });
  Client& owner = world.connect();
  Client& other = world.connect();
  Client& worker = world.connect();  // Shard 0, as owner is.
  declare_durable(world, owner, "near");
  declare_durable(world, other, "far");
  world.declare(other, "tasks");
  world.declare(owner, "near tasks");
  owner.publish(1, "", "tasks", "task");
  owner.publish(1, "", "near tasks", "task");
  begin(world, worker);
  worker.send(1, amqp::BasicQos{.prefetch_count = 2, .global = true});
  world.consume(worker, 1, "tasks", "t");
  world.consume(worker, 1, "near tasks", "n");
  REQUIRE(world.until([&] { return worker.deliveries.size() == 2; }));
  worker.publish(1, "", "near", "result", false, persistent);
  worker.publish(1, "", "far", "result", false, persistent);
  ack(worker, 2, true);
  worker.send(1, amqp::TxCommit{});
  heard(world, worker);
  // The results are there, the prefetch is still used up.
  REQUIRE(world.until([&] { return world.ready(owner, "near") + world.ready(owner, "far") == 2; }));
  owner.publish(1, "", "tasks", "next");
  REQUIRE(world.until([&] { return world.ready(owner, "tasks") == 1; }));
  stuck[0] = false;
  heard(world, owner);
  heard(world, worker);
  CHECK(worker.answers["tx.commit-ok"] == 0);
  CHECK(worker.deliveries.size() == 2);
  SECTION("until the last of them is") {
    stuck[1] = false;
    heard(world, other);
    REQUIRE(world.until([&] { return worker.answers["tx.commit-ok"] == 1; }));
    REQUIRE(world.until([&] { return worker.deliveries.size() == 3; }));
    CHECK(worker.deliveries[2].body == "next");
  }
  SECTION("and a channel that ends before gives its deliveries back") {
    worker.drop();
    REQUIRE(world.until([&] { return world.ready(owner, "tasks") == 2; }));
    CHECK(world.ready(owner, "near tasks") == 1);
  }
}

TEST_CASE("what a rollback undoes stays with the channel, and can be settled again") {
  World world(2);
  Client& owner = world.connect();
  world.declare(owner, "q");
  Client& consumer = world.connect();
  for (int i = 0; i < 3; ++i) owner.publish(1, "", "q", "x");
  begin(world, consumer);
  world.consume(consumer, 1, "q", "c");
  REQUIRE(world.until([&] { return consumer.deliveries.size() == 3; }));
  ack(consumer, 2, true);
  world.call(consumer, 1, amqp::TxRollback{}, "tx.rollback-ok");
  CHECK(world.ready(owner, "q") == 0);
  ack(consumer, 2);
  commit(world, consumer);
  consumer.drop();
  REQUIRE(world.until([&] { return world.ready(owner, "q") == 2; }));
}

TEST_CASE("a channel that ends takes its transaction with it") {
  World world(2);
  Client& owner = world.connect();
  world.declare(owner, "q");
  world.declare(owner, "results");
  Client& worker = world.connect();
  owner.publish(1, "", "q", "x");
  begin(world, worker);
  world.consume(worker, 1, "q", "c");
  REQUIRE(world.until([&] { return worker.deliveries.size() == 1; }));
  ack(worker, 1);
  worker.publish(1, "", "results", "y");
  SECTION("closed") {
    worker.close(1);
  }
  SECTION("by an error") {
    worker.publish(1, "void", "results", "y");
    REQUIRE(world.until([&] { return worker.closed.contains(1); }));
    CHECK(worker.closed[1] == 404);
  }
  SECTION("lost") {
    worker.drop();
  }
  REQUIRE(world.until([&] { return world.ready(owner, "q") == 1; }));
  CHECK(world.ready(owner, "results") == 0);
}

TEST_CASE("a queue that refuses a publish of a transaction fails its commit") {
  World world(2);
  Client& owner = world.connect();
  Client& producer = world.connect();
  amqp::Table limits;
  limits.set("x-max-length", 1);
  limits.set("x-overflow", "reject-publish");
  world.declare(GENERATE(true, false) ? owner : producer, "full", limits);
  begin(world, producer);
  producer.publish(1, "", "full", "x");
  producer.publish(1, "", "full", "x");
  producer.send(1, amqp::TxCommit{});
  REQUIRE(world.until([&] { return producer.closed.contains(1); }));
  CHECK(producer.closed[1] == 406);
  CHECK(producer.answers["tx.commit-ok"] == 0);
  CHECK(world.ready(owner, "full") == 1);
}

TEST_CASE("commits may follow each other without waiting; each is answered") {
  World world(2);
  Client& owner = world.connect();
  world.declare(owner, "q");
  Client& producer = world.connect();
  begin(world, producer);
  for (int i = 0; i < 100; ++i) {
    producer.publish(1, "", "q", "x");
    producer.send(1, amqp::TxCommit{});
  }
  REQUIRE(world.until([&] { return producer.answers["tx.commit-ok"] == 100; }));
  CHECK(world.ready(owner, "q") == 100);
}

TEST_CASE("a transaction that holds too much closes its channel") {
  World world(1);
  Client& producer = world.connect();
  world.declare(producer, "q");
  begin(world, producer);
  const std::string body(8u << 20, 'x');
  for (int i = 0; i < 9; ++i) producer.publish(1, "", "q", body);
  REQUIRE(world.until([&] { return producer.closed.contains(1); }));
  CHECK(producer.closed[1] == 406);
}

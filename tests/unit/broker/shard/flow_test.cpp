// Flow control: who is made to wait when the disk, the machine or a client cannot follow, and who is not.
#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "broker/queueing/alarms.h"
#include "broker/shard/mailbox.h"
#include "broker/store/memory_store.h"
#include "tests/unit/broker/shard/clients.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

constexpr std::size_t mib = 1u << 20;

// A store whose disk is as far behind as a test says, and that counts what is paged out to it.
class SlowStore final : public MemoryStore {
 public:
  explicit SlowStore(std::atomic<std::size_t>& waiting, std::atomic<std::size_t>* spilled = nullptr)
      : waiting_(waiting), spilled_(spilled) {}
  std::size_t waiting_bytes() const override { return waiting_; }
  void spill(QueueId, std::vector<Loaded> messages) override {
    if (spilled_ != nullptr) *spilled_ += messages.size();
  }

 private:
  std::atomic<std::size_t>& waiting_;
  std::atomic<std::size_t>* const spilled_;
};

void confirm(World& world, Client& client) {
  world.call(client, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
}

void publish(Client& client, std::string_view queue, int count, std::string_view body = "body") {
  for (int i = 0; i < count; ++i) client.publish(1, "", queue, body);
}

void ack_all(Client& client) {
  if (client.deliveries.empty()) return;
  amqp::BasicAck method;
  method.delivery_tag = client.deliveries.back().tag;
  method.multiple = true;
  client.send(1, method);
}

// Each shard has ended turns since, and has seen what the others said in theirs.
void some_turns(World& world, std::initializer_list<Client*> clients) {
  for (int i = 0; i < 3; ++i) {
    for (Client* client : clients) world.call(*client, 1, amqp::BasicQos{}, "basic.qos-ok");
  }
}

}  // namespace

TEST_CASE("publishers wait while too much waits for any shard's disk; consumers and their acks go on") {
  const unsigned shards = GENERATE(1u, 2u);
  const unsigned slow = GENERATE(0u, 1u);
  if (slow >= shards) return;
  std::atomic<std::size_t> waiting[2] = {};
  World world(shards, [&](BrokerConfig& config) {
    config.most_waiting_bytes = 32 * mib;
    config.make_store = [&](unsigned shard, StoreOwner) -> Result<std::unique_ptr<MessageStore>> {
      return std::make_unique<SlowStore>(waiting[shard]);
    };
  });
  Client& owner = world.connect();
  Client& publisher = world.connect();
  Client& consumer = world.connect();
  Client& other = world.connect();
  world.declare(owner, "q");
  world.declare(owner, "full");
  confirm(world, owner);
  confirm(world, publisher);
  publish(owner, "full", 500);
  REQUIRE(world.until([&] { return owner.confirmed == 500; }));
  publish(publisher, "q", 1);
  REQUIRE(world.until([&] { return publisher.confirmed == 1; }));

  waiting[slow] = 33 * mib;
  some_turns(world, {&owner, &publisher, &consumer, &other});
  publish(publisher, "q", 1000);
  amqp::BasicQos qos;
  qos.prefetch_count = 10;
  world.call(consumer, 1, qos, "basic.qos-ok");
  world.consume(consumer, 1, "full", "c");
  std::size_t acked = 0;
  REQUIRE(world.until([&] {
    if (acked < consumer.deliveries.size()) {
      acked = consumer.deliveries.size();
      ack_all(consumer);
    }
    return acked == 500;
  }));
  CHECK(publisher.confirmed == 1);
  CHECK(publisher.blocked.empty());
  CHECK(world.ready(other, "q") == 1);

  waiting[slow] = 17 * mib;
  some_turns(world, {&owner, &other});
  CHECK(publisher.confirmed == 1);
  waiting[slow] = 16 * mib;
  REQUIRE(world.until([&] { return publisher.confirmed == 1001; }));
  CHECK(world.ready(other, "q") == 1001);
}

TEST_CASE("an alarm blocks those who publish, with RabbitMQ's words, and nobody else") {
  const unsigned shards = GENERATE(1u, 2u);
  auto alarms = std::make_shared<Alarms>();
  World world(shards, [&](BrokerConfig& config) { config.alarms = alarms; });
  Client& publisher = world.connect();
  Client& consumer = world.connect();
  Client& idle = world.connect();
  world.declare(publisher, "q");
  confirm(world, publisher);
  publish(publisher, "q", 100);
  REQUIRE(world.until([&] { return publisher.confirmed == 100; }));

  alarms->set(Alarm::memory, true);
  some_turns(world, {&publisher, &consumer, &idle});
  CHECK(publisher.blocked.empty());
  publish(publisher, "q", 50);
  REQUIRE(world.until([&] { return !publisher.blocked.empty(); }));
  CHECK(publisher.blocked == "low on memory");
  world.consume(consumer, 1, "q", "c");
  REQUIRE(world.until([&] { return consumer.deliveries.size() == 100; }));
  ack_all(consumer);
  some_turns(world, {&consumer, &idle});
  CHECK(publisher.confirmed == 100);
  CHECK(consumer.blocked.empty());
  CHECK(idle.blocked.empty());

  alarms->set(Alarm::disk, true);
  alarms->set(Alarm::memory, false);
  Client& late = world.connect();
  confirm(world, late);
  publish(late, "q", 1);
  REQUIRE(world.until([&] { return late.blocked == "low on disk"; }));
  CHECK(publisher.answers["connection.blocked"] == 1);
  CHECK(publisher.confirmed == 100);

  alarms->set(Alarm::disk, false);
  REQUIRE(world.until([&] { return publisher.confirmed == 150 && late.confirmed == 1; }));
  CHECK(publisher.blocked.empty());
  CHECK(late.blocked.empty());
  CHECK(publisher.answers["connection.unblocked"] == 1);
}

TEST_CASE("who waits for the disk is told when an alarm comes on top") {
  auto alarms = std::make_shared<Alarms>();
  std::atomic<std::size_t> waiting = 100 * mib;
  World world(1, [&](BrokerConfig& config) {
    config.alarms = alarms;
    config.make_store = [&](unsigned, StoreOwner) -> Result<std::unique_ptr<MessageStore>> {
      return std::make_unique<SlowStore>(waiting);
    };
  });
  Client& publisher = world.connect();
  Client& other = world.connect();
  confirm(world, publisher);
  publish(publisher, "nowhere", 1);
  some_turns(world, {&other});
  CHECK(publisher.blocked.empty());
  alarms->set(Alarm::store_full, true);
  REQUIRE(world.until([&] { return publisher.blocked == "low on disk"; }));
  alarms->set(Alarm::store_full, false);
  REQUIRE(world.until([&] { return publisher.blocked.empty(); }));
  CHECK(publisher.confirmed == 0);
  waiting = 0;
  REQUIRE(world.until([&] { return publisher.confirmed == 1; }));
}

TEST_CASE("a large body stops in its middle when an alarm comes, and goes on from there") {
  auto alarms = std::make_shared<Alarms>();
  World world(1, [&](BrokerConfig& config) { config.alarms = alarms; });
  Client& publisher = world.connect();
  Client& consumer = world.connect();
  world.declare(publisher, "q");
  world.consume(consumer, 1, "q", "c");
  std::string body(12 * mib, 'x');
  for (std::size_t i = 0; i < body.size(); i += 4096) body[i] = static_cast<char>('a' + i / 4096 % 26);
  publisher.publish(1, "", "q", body);
  publisher.move();
  alarms->set(Alarm::memory, true);
  REQUIRE(world.until([&] { return !publisher.blocked.empty() || !consumer.deliveries.empty(); }));
  // Where its last bytes are is the system's business; while the alarm stands nobody is given the message.
  if (consumer.deliveries.empty()) {
    for (int i = 0; i < 20; ++i) world.ready(consumer, "q");
    CHECK(consumer.deliveries.empty());
  }
  alarms->set(Alarm::memory, false);
  REQUIRE(world.until([&] { return !consumer.deliveries.empty(); }));
  CHECK(consumer.deliveries[0].body == body);
}

TEST_CASE("a client that goes away while it is blocked is noticed, and gives back what it had") {
  auto alarms = std::make_shared<Alarms>();
  World world(1, [&](BrokerConfig& config) { config.alarms = alarms; });
  Client& owner = world.connect();
  world.declare(owner, "q");
  publish(owner, "q", 10);
  Client& worker = world.connect();
  world.consume(worker, 1, "q", "c");
  REQUIRE(world.until([&] { return worker.deliveries.size() == 10; }));
  alarms->set(Alarm::memory, true);
  publish(worker, "q", 100);
  REQUIRE(world.until([&] { return !worker.blocked.empty(); }));
  publish(worker, "q", 100);  // Something lies unread in the socket.
  worker.move();
  worker.drop();
  REQUIRE(world.until([&] { return world.ready(owner, "q") == 10; }));
}

TEST_CASE("queues page transient messages out when memory is short: what waits already, and what comes") {
  auto alarms = std::make_shared<Alarms>();
  std::atomic<std::size_t> waiting = 0;
  std::atomic<std::size_t> spilled = 0;
  World world(1, [&](BrokerConfig& config) {
    config.alarms = alarms;
    config.make_store = [&](unsigned, StoreOwner) -> Result<std::unique_ptr<MessageStore>> {
      return std::make_unique<SlowStore>(waiting, &spilled);
    };
  });
  Client& client = world.connect();
  world.declare(client, "q");
  confirm(world, client);
  publish(client, "q", 1000);
  REQUIRE(world.until([&] { return client.confirmed == 1000; }));
  CHECK(spilled == 0);
  alarms->set_memory_short(true);
  REQUIRE(world.until([&] { return spilled > 500; }));
  publish(client, "q", 1000);
  REQUIRE(world.until([&] { return client.confirmed == 2000; }));
  CHECK(spilled > 1500);
  const std::size_t before = spilled;
  alarms->set_memory_short(false);
  some_turns(world, {&client});
  publish(client, "q", 1000);
  REQUIRE(world.until([&] { return client.confirmed == 3000; }));
  CHECK(spilled == before);
}

TEST_CASE("a broker stops in time while publishers are blocked") {
  auto alarms = std::make_shared<Alarms>();
  World world(2, [&](BrokerConfig& config) { config.alarms = alarms; });
  alarms->set(Alarm::memory, true);
  Client& publisher = world.connect();
  publish(publisher, "nowhere", 10);
  REQUIRE(world.until([&] { return !publisher.blocked.empty(); }));
  std::atomic<bool> stopped = false;
  std::thread stopping([&] {
    world.broker().stop();
    stopped = true;
  });
  CHECK(world.until([&] { return stopped.load(); }));
  stopping.join();
  CHECK(publisher.ended.code == 320);
  CHECK_FALSE(publisher.ended.lost);
}

TEST_CASE("a client that asks and does not read is not listened to until it reads") {
  World world(1);
  Client& owner = world.connect();
  world.declare(owner, "q");
  confirm(world, owner);
  constexpr int count = 200;
  const std::string body(mib / 4, 'x');
  publish(owner, "q", count, body);
  REQUIRE(world.until([&] { return owner.confirmed == count; }));
  Client& asker = world.connect();
  asker.pause(true);
  amqp::BasicGet get;
  get.queue = "q";
  for (int i = 0; i < count; ++i) asker.send(1, get);
  REQUIRE(world.until([&] { return world.ready(owner, "q") < count; }));
  for (int i = 0; i < 20; ++i) world.ready(owner, "q");
  // The limit, one message more, and what the system's own buffers took.
  CHECK(world.ready(owner, "q") > count / 2);
  asker.pause(false);
  REQUIRE(world.until([&] { return asker.got.size() == count; }));
}

TEST_CASE("a consumer that does not read its deliveries is listened to all the same") {
  World world(1);
  Client& owner = world.connect();
  world.declare(owner, "q");
  world.declare(owner, "seen");
  confirm(world, owner);
  constexpr std::uint32_t count = 100;
  const std::string body(mib / 4, 'x');
  publish(owner, "q", count, body);
  REQUIRE(world.until([&] { return owner.confirmed == count; }));
  Client& consumer = world.connect();
  world.consume(consumer, 1, "q", "c");
  REQUIRE(world.until([&] { return !consumer.deliveries.empty(); }));
  consumer.pause(true);
  const auto tag = consumer.deliveries.back().tag;
  ack_all(consumer);
  // What comes behind the acknowledgement shows that it was read: a connection that is dropped may take it along.
  publish(consumer, "seen", 1);
  REQUIRE(world.until([&] { return world.ready(owner, "seen") == 1; }));
  consumer.drop();
  REQUIRE(world.until([&] { return world.ready(owner, "q") == count - tag; }));
}

TEST_CASE("a mailbox is full by letters or by the bytes of what is published in them") {
  Mailbox box(4, 1000, [] {});
  std::vector<Mail> batch;
  for (int i = 0; i < 4; ++i) batch.emplace_back(mail::Settle{});
  box.put(batch);
  CHECK_FALSE(box.full());
  batch.emplace_back(mail::Settle{});
  box.put(batch);
  CHECK(box.full());
  CHECK(box.take().size() == 5);
  CHECK_FALSE(box.full());

  auto message = Message::create({.exchange = "",
                                  .routing_key = "",
                                  .properties = {},
                                  .delivery_mode = 1,
                                  .priority = 0,
                                  .body_size = 600,
                                  .published_ms = 0});
  message->append_body(std::string(600, 'x'));
  for (int i = 0; i < 2; ++i) {
    CHECK_FALSE(box.full());
    batch.emplace_back(mail::Publish{1, message, 0, {}});
    box.put(batch);
  }
  CHECK(box.full());
  box.take();
  CHECK_FALSE(box.full());
}

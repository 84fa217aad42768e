// What clients see of definitions: answers that wait for the disk without anything else waiting, and a broker that
// begins where the last one ended.
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <stdexcept>

#include <stdlib.h>

#include "tests/unit/broker/shard/clients.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

// Commits wait while it is closed.
struct Door {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;
  unsigned commits = 0;

  void set(bool is_open) {
    std::lock_guard lock(mutex);
    open = is_open;
    changed.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex);
    ++commits;
    changed.wait(lock, [this] { return open; });
  }
  unsigned count() {
    std::lock_guard lock(mutex);
    return commits;
  }
};

class SlowDisk final : public DefinitionsDisk {
 public:
  SlowDisk(std::unique_ptr<DefinitionsFile> file, Door& door) : file_(std::move(file)), door_(door) {}
  Result<void> load(DefinitionsVisitor& visitor) override { return file_->load(visitor); }
  Result<void, Failure> commit(std::span<const TopologyChange> changes, std::uint64_t ids) override {
    if (!changes.empty()) door_.pass();
    return file_->commit(changes, ids);
  }
  Result<void> tidy() override { return file_->tidy(); }
  std::uint64_t queue_ids_below() const override { return file_->queue_ids_below(); }

 private:
  std::unique_ptr<DefinitionsFile> file_;
  Door& door_;
};

struct Directory {
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "wherry-shard-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path = name;
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

// A broker over a directory; another one later finds what this one kept.
struct Kept {
  explicit Kept(const Directory& directory, unsigned shards = 1, std::function<void(BrokerConfig&)> adjust = {}) {
    auto file = DefinitionsFile::open(directory.path / "definitions.sqlite");
    if (!file) throw std::runtime_error(file.error().message);
    definitions = std::make_unique<Definitions>(std::make_unique<SlowDisk>(std::move(*file), door));
    world = std::make_unique<World>(shards, [&](BrokerConfig& config) {
      config.definitions = definitions.get();
      if (adjust) adjust(config);
    });
  }
  ~Kept() { door.set(true); }

  Door door;
  std::unique_ptr<Definitions> definitions;
  std::unique_ptr<World> world;
};

amqp::QueueDeclare durable(std::string_view name, bool passive = false) {
  amqp::QueueDeclare method;
  method.queue = name;
  method.durable = true;
  method.passive = passive;
  return method;
}

std::uint16_t closed_with(World& world, Client& client, const amqp::QueueDeclare& method) {
  client.closed.clear();
  client.send(1, method);
  const unsigned before = client.answers["queue.declare-ok"];
  REQUIRE(world.until([&] { return client.closed.contains(1) || client.answers["queue.declare-ok"] > before; }));
  return client.closed.contains(1) ? client.closed[1] : 0;
}

}  // namespace

TEST_CASE("definitions: what is durable is there after a restart, with its bindings; the rest is not") {
  Directory directory;
  for (unsigned run = 0; run < 2; ++run) {
    Kept kept(directory, 2);
    World& world = *kept.world;
    Client& client = world.connect();
    if (run == 0) {
      world.call(client, 1, durable("kept"), "queue.declare-ok");
      world.call(client, 1, durable("gone"), "queue.declare-ok");
      world.declare(client, "transient");
      amqp::ExchangeDeclare exchange;
      exchange.exchange = "logs";
      exchange.type = "direct";
      exchange.durable = true;
      world.call(client, 1, exchange, "exchange.declare-ok");
      for (const char* queue : {"kept", "gone"}) {
        amqp::QueueBind bind;
        bind.queue = queue;
        bind.exchange = "logs";
        bind.routing_key = queue;
        world.call(client, 1, bind, "queue.bind-ok");
      }
      amqp::QueueDelete remove;
      remove.queue = "gone";
      world.call(client, 1, remove, "queue.delete-ok");
      continue;
    }
    client.publish(1, "logs", "kept", "x");
    CHECK(world.until([&] {
      world.call(client, 1, durable("kept", true), "queue.declare-ok");
      return client.last_count == 1;
    }));
    CHECK(closed_with(world, client, durable("gone", true)) == 404);
    Client& other = world.connect();
    CHECK(closed_with(world, other, durable("transient", true)) == 404);
  }
}

TEST_CASE("definitions: declares that are pipelined share their commits, and each is answered when it is kept") {
  Directory directory;
  Kept kept(directory);
  World& world = *kept.world;
  Client& client = world.connect();
  const unsigned before = kept.door.count();
  kept.door.set(false);
  for (int i = 0; i < 1000; ++i) client.send(1, durable("q" + std::to_string(i)));
  REQUIRE(world.until([&] { return kept.definitions->recorded() >= 1000; }));
  CHECK(client.answers["queue.declare-ok"] == 0);
  kept.door.set(true);
  REQUIRE(world.until([&] { return client.answers["queue.declare-ok"] == 1000; }));
  CHECK(kept.definitions->committed() >= 1000);
  // The first went alone, the others came meanwhile; what a slow machine splits is little.
  CHECK(kept.door.count() - before < 20);
}

TEST_CASE("definitions: nothing overtakes an answer that waits for the disk, and other clients do not wait") {
  Directory directory;
  Kept kept(directory);
  World& world = *kept.world;
  Client& client = world.connect();
  Client& other = world.connect();
  world.declare(other, "transient");
  client.open(2);
  REQUIRE(world.until([&] { return client.answers["channel.open-ok"] == 2; }));
  kept.door.set(false);
  amqp::QueueDeclare silent = durable("q");
  silent.nowait = true;
  client.send(1, silent);
  client.send(2, amqp::ConfirmSelect{});
  client.publish(2, "", "q", "x", false, amqp::Properties{});
  REQUIRE(world.until([&] { return kept.definitions->recorded() > kept.definitions->committed(); }));

  // Another client's life goes on; what it could learn of the queue waits.
  world.declare(other, "transient");
  CHECK(world.ready(other, "transient") == 0);
  other.send(1, durable("q"));
  other.open(3);
  world.connect();
  CHECK(client.confirmed == 0);
  CHECK(client.answers["confirm.select-ok"] == 0);
  CHECK(other.answers["channel.open-ok"] == 1);

  kept.door.set(true);
  REQUIRE(world.until([&] { return client.confirmed == 1 && other.answers["channel.open-ok"] == 2; }));
  CHECK(other.last_count == 1);
}

TEST_CASE("definitions: a confirm waits for a queue that is not kept yet, whoever declared it") {
  Directory directory;
  Kept kept(directory);
  World& world = *kept.world;
  Client& client = world.connect();
  Client& other = world.connect();
  world.call(other, 1, amqp::ConfirmSelect{}, "confirm.select-ok");
  kept.door.set(false);
  client.send(1, durable("q"));
  REQUIRE(world.until([&] { return kept.definitions->recorded() > kept.definitions->committed(); }));
  other.publish(1, "", "q", "x");
  other.send(1, amqp::BasicQos{});
  world.connect();
  CHECK(other.confirmed == 0);
  CHECK(client.answers["queue.declare-ok"] == 0);
  kept.door.set(true);
  REQUIRE(world.until([&] { return other.confirmed == 1 && client.answers["queue.declare-ok"] == 1; }));
  other.publish(1, "", "q", "x");
  REQUIRE(world.until([&] { return other.confirmed == 2; }));
}

TEST_CASE("definitions: a connection that is closed behind a change hears of neither before it is kept") {
  Directory directory;
  Kept kept(directory);
  World& world = *kept.world;
  Client& client = world.connect();
  kept.door.set(false);
  client.send(1, durable("q"));
  client.close();
  REQUIRE(world.until([&] { return kept.definitions->recorded() > kept.definitions->committed(); }));
  world.connect();
  CHECK_FALSE(client.over);
  kept.door.set(true);
  REQUIRE(world.until([&] { return client.over; }));
  CHECK(client.ended.code == 200);
}

TEST_CASE("definitions: a client that goes while its change waits does no harm") {
  Directory directory;
  Kept kept(directory);
  World& world = *kept.world;
  Client& client = world.connect();
  kept.door.set(false);
  client.send(1, durable("q"));
  REQUIRE(world.until([&] { return kept.definitions->recorded() > kept.definitions->committed(); }));
  client.drop();
  Client& other = world.connect();
  kept.door.set(true);
  world.call(other, 1, durable("q", true), "queue.declare-ok");
}

TEST_CASE("definitions: a durable auto-delete queue outlives the broker's stop under its consumer") {
  Directory directory;
  for (unsigned run = 0; run < 2; ++run) {
    Kept kept(directory, 2, [](BrokerConfig& config) { config.shutdown_grace = std::chrono::milliseconds(50); });
    World& world = *kept.world;
    Client& client = world.connect();
    if (run == 0) {
      amqp::QueueDeclare method = durable("q");
      method.auto_delete = true;
      world.call(client, 1, method, "queue.declare-ok");
      Client& far = world.connect();
      world.consume(client, 1, "q", "near");
      world.consume(far, 1, "q", "far");
      world.broker().stop();  // Before its clients go.
    } else {
      CHECK(closed_with(world, client, durable("q", true)) == 0);
    }
  }
}

TEST_CASE(
    "definitions: queues that live on shards that are gone keep the broker from starting, saying how many it takes") {
  Directory directory;
  {
    Kept kept(directory, 2);
    for (const char* name : {"a", "b"}) {
      Client& client = kept.world->connect();
      kept.world->call(client, 1, durable(name), "queue.declare-ok");
    }
  }
  CHECK_THROWS_WITH(Kept(directory, 1), Catch::Matchers::Contains("queues live on 2 shards") &&
                                            Catch::Matchers::Contains("start with --shards 2 or more"));
  Kept again(directory, 3);
}

TEST_CASE("definitions: what the configuration names is declared once, and a conflict says what conflicts") {
  Directory directory;
  auto configured = [](std::int32_t length) {
    return [length](BrokerConfig& config) {
      QueueSpec queue;
      queue.name = "mails";
      queue.durable = true;
      queue.arguments.set("x-max-length", length);
      config.entities.push_back({"/", {}, {queue}, {{"amq.direct", DestinationKind::queue, "mails", "m", {}}}});
    };
  };
  for (int run = 0; run < 2; ++run) {
    Kept kept(directory, 1, configured(10));
    CHECK(kept.definitions->committed() == (run == 0 ? 3 : 0));
  }
  CHECK_THROWS_WITH(Kept(directory, 1, configured(11)),
                    Catch::Matchers::Contains("inequivalent arg 'x-max-length' for queue 'mails' in vhost '/'") &&
                        Catch::Matchers::Contains("what was declared before stays as it is"));
}

TEST_CASE(
    "definitions: a client that is far ahead of the disk is not read on, and goes on when the disk has caught up") {
  Directory directory;
  Kept kept(directory);
  World& world = *kept.world;
  Client& client = world.connect();
  kept.door.set(false);
  constexpr unsigned count = 60'000;
  for (unsigned i = 0; i < count; ++i) {
    const std::string name = "q" + std::to_string(i);
    amqp::QueueDeclare method = durable(name);
    method.nowait = true;
    client.send(1, method);
  }
  REQUIRE(world.until([&] { return kept.definitions->recorded() > 50'000; }));
  world.connect();
  world.connect();
  CHECK(kept.definitions->recorded() < 50'100);
  kept.door.set(true);
  REQUIRE(world.until([&] { return kept.definitions->committed() >= count; }));
  world.call(client, 1, durable("q59999", true), "queue.declare-ok");
}

#include "broker/store/disk_store.h"

#include <atomic>
#include <deque>

#include <catch2/catch.hpp>

#include "broker/queueing/queue.h"
#include "broker/store/memory_vfs.h"
#include "broker/store/power_loss_vfs.h"
#include "tests/unit/broker/queueing/bench.h"
#include "tests/unit/broker/store/forwarding_vfs.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

// A store whose threads are played by hand, with a queue on it.
struct Shop {
  explicit Shop(Vfs& on, amqp::Table arguments = {}) : disk(on) {
    options.folder = "shard-0";
    options.log_file_bytes = 64 << 10;
    options.log_budget_bytes = 128 << 10;
    options.memory_budget_bytes = 32 << 10;
    options.dead_bytes_allowed = 64 << 10;
    options.threads = false;
    the_entry = entry(std::move(arguments), true);
    open();
  }
  void open() {
    queue.reset();
    store.reset();
    DiskStore::Owner owner;
    owner.post = [](std::function<void()> work) { work(); };
    owner.failed = [this](const DiskError& error) { failures.push_back(error.message); };
    owner.full = [this](bool now) { full = now; };
    auto opened = DiskStore::open(disk, options, owner);
    if (!opened) FAIL(opened.error().message);
    store = std::move(*opened);
    queue = std::make_unique<Queue>(the_entry, *store, environment);
    store->on_kept(
        [this](QueueId, std::uint64_t chunk, ChunkBits which, bool spilled) { queue->on_kept(chunk, which, spilled); });
    store->on_renew_notes([this](QueueId, Lsn up_to) { return queue->renew_notes(up_to); });
    queue->recover();
    store->recovered_all();
  }
  void work() {
    store->commit();
    for (int round = 0; round < 20; ++round) {
      store->work_log();
      store->work_segments();
      store->commit();
    }
  }
  Lsn publish(int from, int to, std::size_t bytes = 1000) {
    Lsn durable_at = 0;
    for (int n = from; n < to; ++n) {
      durable_at =
          queue->publish(message(std::to_string(n) + std::string(bytes, '.'), {.persistent = true})).durable_at;
      if (n % 20 == 0) work();
    }
    work();
    return durable_at;
  }
  int get(bool no_ack = true) {
    Delivery delivery;
    std::uint32_t remaining = 0;
    if (!queue->get(no_ack, delivery, remaining)) return -1;
    last = delivery;
    return std::stoi(std::string(delivery.message->body()));
  }
  std::uint64_t disk_bytes(const char* folder) {
    std::uint64_t bytes = 0;
    const auto names = disk.list(folder);
    for (const std::string& name : *names) {
      bytes += *(*disk.open(std::string(folder) + "/" + name, OpenMode::read))->size();
    }
    return bytes;
  }

  Vfs& disk;
  DiskStore::Options options;
  QueueEntryRef the_entry;
  Environment environment;
  std::vector<std::string> failures;
  bool full = false;
  std::unique_ptr<DiskStore> store;
  std::unique_ptr<Queue> queue;
  Delivery last;
};

// A disk that has no room for segments while it is full, and room for everything else.
class NarrowVfs final : public ForwardingVfs {
 public:
  using ForwardingVfs::ForwardingVfs;
  bool full = false;

  DiskResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    if (full && mode == OpenMode::create && path.find("/segments/") != std::string::npos) {
      return disk_error("create", path, std::errc::no_space_on_device);
    }
    return ForwardingVfs::open(path, mode);
  }
};

}  // namespace

TEST_CASE("a message settled before its log file retires is never written twice") {
  MemoryVfs disk;
  Shop shop(disk);
  for (int n = 0; n < 2000; ++n) {
    shop.publish(n, n + 1);
    REQUIRE(shop.get() == n);
  }
  CHECK(shop.store->stats().segments == 0);
  CHECK(shop.store->stats().log_bytes <= shop.options.log_budget_bytes + shop.options.log_file_bytes);
  CHECK(disk.list("shard-0/segments")->empty());
}

TEST_CASE("a backlog lies in segments, is drained in order, and leaves nothing behind") {
  MemoryVfs disk;
  Shop shop(disk);
  shop.publish(0, 3000);
  const auto stats = shop.store->stats();
  CHECK(stats.segments > 10);
  CHECK(stats.messages_in_segments > 2900);
  CHECK(stats.memory_bytes < 2 * shop.options.memory_budget_bytes);
  CHECK(shop.disk_bytes("shard-0/log") + shop.disk_bytes("shard-0/segments") < 3000 * 1100 + 256 * 1024);
  for (int n = 0; n < 3000; ++n) REQUIRE(shop.get() == n);
  CHECK(shop.get() == -1);
  shop.work();
  CHECK(shop.store->stats().segments == 0);
  CHECK(disk.list("shard-0/segments")->empty());
}

TEST_CASE("a requeued message that was paged out goes back to its place, and its count survives a restart") {
  MemoryVfs disk;
  Shop shop(disk);
  shop.publish(0, 1000);
  DeliveryIds out;
  for (int n = 0; n < 300; ++n) {
    REQUIRE(shop.get(false) == n);
    out.push_back(shop.last.id());
  }
  shop.queue->requeue(nullptr, out);
  CHECK(shop.get(false) == 0);
  CHECK(shop.last.redelivered);
  shop.queue->requeue(nullptr, DeliveryIds{shop.last.id()});
  shop.publish(1000, 2000);
  shop.open();
  for (int n = 0; n < 2000; ++n) {
    REQUIRE(shop.get() == n);
    REQUIRE(shop.last.delivery_count == (n == 0 ? 2u : n < 300 ? 1u : 0u));
  }
}

TEST_CASE("after a restart the count is known without reading the backlog") {
  MemoryVfs disk;
  Shop shop(disk);
  shop.publish(0, 2000);
  const QueueStats before = shop.queue->stats();
  shop.open();
  CHECK(shop.queue->ready_count() == 2000);
  CHECK(shop.queue->stats().ready_bytes == before.ready_bytes);
  CHECK(shop.queue->stats().ready_persistent == 2000);
}

TEST_CASE("priorities and a time to live survive in segments") {
  MemoryVfs disk;
  Shop shop(disk, table({{"x-max-priority", std::int64_t{5}}}));
  for (int n = 0; n < 600; ++n) {
    Sent how{.priority = static_cast<std::uint8_t>(n % 3), .expiration = n % 2 ? "1000" : "", .persistent = true};
    shop.queue->publish(message(std::to_string(n) + std::string(500, '.'), how, shop.environment.now_ms));
    if (n % 20 == 0) shop.work();
  }
  shop.work();
  CHECK(shop.store->stats().messages_in_segments > 400);
  shop.open();
  shop.environment.now_ms += 1000;
  for (int level = 2; level >= 0; --level) {
    for (int n = 0; n < 600; ++n) {
      if (n % 3 == level && n % 2 == 0) REQUIRE(shop.get() == n);
    }
  }
  CHECK(shop.get() == -1);
}

TEST_CASE("a fair queue's backlog lies on the disk, and leaves it in turns however far apart its tenants are") {
  MemoryVfs disk;
  Shop shop(disk, table({{"x-fair-key", "tenant"}}));
  // Tenants one behind the other: each turn reads elsewhere, and together it is more than may stay in memory.
  constexpr int tenants = 24;
  constexpr int each = 64;
  for (int n = 0; n < tenants * each; ++n) {
    const Sent how{.persistent = true, .tenant = amqp::FieldValue(n / each)};
    shop.queue->publish(message(std::to_string(n) + std::string(6000, '.'), how));
    if (n % 5 == 0) shop.work();
  }
  shop.work();
  CHECK(shop.store->stats().messages_in_segments > tenants * each - 200);
  CHECK(shop.store->stats().memory_bytes < 2 * shop.options.memory_budget_bytes);
  const int restart_at = GENERATE(0, 30);
  for (int turn = 0; turn < each; ++turn) {
    if (turn == restart_at) {
      shop.work();
      shop.open();
    }
    for (int tenant = 0; tenant < tenants; ++tenant) REQUIRE(shop.get() == tenant * each + turn);
  }
  CHECK(shop.get() == -1);
  CHECK(shop.queue->stats().lost == 0);
  CHECK(shop.queue->stats().ready_bytes == 0);
}

TEST_CASE("a purged queue and a deleted one give their disk back") {
  MemoryVfs disk;
  Shop shop(disk);
  shop.publish(0, 2000);
  REQUIRE(shop.get(false) == 0);
  CHECK(shop.queue->purge() == 1999);
  shop.work();
  CHECK(shop.store->stats().messages_in_segments == 1);
  CHECK(shop.disk_bytes("shard-0/segments") < 100'000);
  shop.open();
  CHECK(shop.get() == 0);
  CHECK(shop.get() == -1);
  shop.publish(2000, 3000);
  shop.queue->delete_all();
  shop.work();
  CHECK(shop.store->stats().segments == 0);
}

TEST_CASE("one message that stays does not keep the disk of those around it") {
  MemoryVfs disk;
  Shop shop(disk);
  std::vector<int> stay;
  for (int n = 0; n < 4000; n += 400) {
    shop.publish(n, n + 400);
    // All but the first of each four hundred are settled once they are in a segment.
    for (int taken = 0; taken < 400; ++taken) {
      const int got = shop.get(false);
      if (got % 400 == 0) {
        stay.push_back(got);
      } else {
        shop.queue->ack(nullptr, DeliveryIds{shop.last.id()});
      }
    }
    shop.work();
  }
  REQUIRE(stay.size() == 10);
  for (int round = 0; round < 20; ++round) shop.work();
  CHECK(shop.disk_bytes("shard-0/segments") < shop.options.dead_bytes_allowed + 100'000);
  shop.open();
  for (int n : stay) CHECK(shop.get() == n);
  CHECK(shop.get() == -1);
}

TEST_CASE("transient messages are paged out when memory is short, come in their order, and are gone after a restart") {
  MemoryVfs disk;
  Shop shop(disk);
  for (int n = 0; n < 1000; ++n) {
    shop.queue->publish(message(std::to_string(n) + std::string(500, '.'), {.persistent = n % 10 == 0}));
  }
  shop.queue->page_out();
  for (int n = 0; n < 300; ++n) REQUIRE(shop.get() == n);  // Some of them while they are on their way.
  shop.work();
  CHECK(shop.store->stats().messages_in_segments > 400);
  for (int n = 300; n < 600; ++n) REQUIRE(shop.get() == n);
  shop.work();
  shop.open();
  for (int n = 600; n < 1000; n += 10) REQUIRE(shop.get() == n);
  CHECK(shop.get() == -1);
  shop.work();
  CHECK(shop.store->stats().segments == 0);
}

TEST_CASE("what belongs to no queue after a restart is dropped") {
  MemoryVfs disk;
  Shop shop(disk);
  shop.publish(0, 1000);
  shop.queue.reset();
  shop.store.reset();
  DiskStore::Owner owner;
  owner.post = [](std::function<void()> work) { work(); };
  owner.failed = [](const DiskError& error) { FAIL(error.message); };
  auto store = *DiskStore::open(disk, shop.options, owner);
  store->recovered_all();
  for (int round = 0; round < 5; ++round) store->work_segments();
  CHECK(store->stats().segments == 0);
}

TEST_CASE("a fan-out is written to the log once") {
  MemoryVfs disk;
  Shop shop(disk);
  const MessageRef one = message(std::string(10'000, 'x'), {.persistent = true});
  for (QueueId queue = 1; queue <= 3; ++queue) shop.store->append(queue, 1, one, Durability::sync);
  shop.store->commit();
  shop.store->work_log();
  int records = 0;
  std::size_t bytes = 0;
  REQUIRE(read_log(disk, "shard-0/log", [&](const LogRecord& record) {
    ++records;
    bytes += record.payload.size();
  }));
  CHECK(records == 1);
  CHECK(bytes < 10'200);
}

TEST_CASE("a confirm waits for what was acknowledged before it in its turn, whatever the store does meanwhile") {
  MemoryVfs disk;
  Shop shop(disk);
  shop.publish(0, 200);
  const auto files = [&] { return *disk.list("shard-0/segments"); };
  const auto files_before = files();
  for (int n = 200; n < 600; ++n) {
    REQUIRE(shop.get(false) == n - 200);
    const DeliveryId delivery = shop.last.id();
    shop.queue->ack(nullptr, {&delivery, 1});
    const Lsn confirm =
        shop.queue->publish(message(std::to_string(n) + std::string(1000, '.'), {.persistent = true})).durable_at;
    shop.store->work_segments();
    shop.store->work_log();
    REQUIRE(shop.store->durable() < confirm);
    shop.store->commit();
    shop.store->work_log();
    REQUIRE(shop.store->durable() >= confirm);
  }
  CHECK(files() != files_before);
}

TEST_CASE("a confirm waits for the disk as its queue's durability says") {
  PowerLossVfs disk(1);
  Shop shop(disk);
  const MessageRef one = message("x", {.persistent = true});
  CHECK(shop.store->append(1, 1, one, Durability::none) == 0);
  shop.store->commit();
  shop.store->work_log();
  const std::uint64_t operations = disk.operations();
  const Lsn written = shop.store->append(1, 2, message("y", {.persistent = true}), Durability::os);
  shop.store->commit();
  CHECK(shop.store->durable() < written);
  shop.store->work_log();
  CHECK(shop.store->durable() >= written);
  CHECK(disk.operations() == operations + 1);  // Written, not synced.
  const Lsn synced = shop.store->append(1, 3, message("z", {.persistent = true}), Durability::sync);
  shop.store->commit();
  shop.store->work_log();
  CHECK(shop.store->durable() >= synced);
  CHECK(disk.operations() == operations + 3);
}

TEST_CASE("a failed sync is told once, and nothing is confirmed from then on") {
  PowerLossVfs disk(1);
  Shop shop(disk);
  shop.publish(0, 1);
  const Lsn durable = shop.store->durable();
  disk.fail_from(1);
  const Lsn lost = shop.queue->publish(message("lost", {.persistent = true})).durable_at;
  shop.work();
  disk.heal();
  shop.queue->publish(message("late", {.persistent = true}));
  shop.work();
  CHECK(shop.store->durable() == durable);
  CHECK(durable < lost);
  CHECK(shop.failures.size() == 1);
}

TEST_CASE("a damaged message is reported and left out, and its neighbours are not") {
  PowerLossVfs disk(1);
  Shop shop(disk);
  shop.publish(0, 1000);
  shop.queue.reset();
  shop.store.reset();
  const std::string segment = "shard-0/segments/" + disk.list("shard-0/segments")->front();
  disk.flip_bit(segment, 500, 501);  // In the body of the first message.
  shop.open();
  int first = shop.get();
  CHECK(first == 1);
  for (int n = 2; n < 1000; ++n) REQUIRE(shop.get() == n);
  CHECK(shop.store->damaged() == 1);
  CHECK(shop.queue->stats().lost == 1);
  CHECK(disk.list("shard-0/quarantine")->size() == 1);
}

TEST_CASE(
    "the keys of deduplication survive in segments and through many rounds of the log, and only where they should") {
  const auto keyed = [](int n) {
    amqp::Properties properties;
    properties.delivery_mode = 2;
    properties.headers.emplace().set("x-deduplication-header", n);
    const std::string raw = amqp::encode_properties(properties);
    const std::string body = std::to_string(n) + std::string(1000, '.');
    auto made = Message::create({.routing_key = "q",
                                 .properties = raw,
                                 .delivery_mode = 2,
                                 .body_size = body.size(),
                                 .published_ms = 1'000'000});
    made->append_body(body);
    return made;
  };
  for (const bool window : {false, true}) {
    MemoryVfs disk;
    Shop shop(disk, window ? table({{"x-dedup-count", 500}}) : table({{"x-message-deduplication", true}}));
    const auto is_new = [&](int n) {
      const auto before = shop.queue->stats().duplicates;
      shop.queue->publish(keyed(n));
      return shop.queue->stats().duplicates == before;
    };
    for (int n = 0; n < 1000; ++n) {
      REQUIRE(is_new(n));
      if (n % 20 == 0) shop.work();
    }
    for (int n = 0; n < 100; ++n) REQUIRE(shop.get() == n);
    shop.publish(1000, 1500);  // The log goes round.
    REQUIRE(shop.store->stats().segments > 0);
    shop.work();
    shop.open();
    CHECK_FALSE(is_new(999));
    CHECK_FALSE(is_new(window ? 500 : 100));
    CHECK(is_new(window ? 499 : 99));
    // What the queue does not need any more is not said again: the log stays small.
    shop.queue->purge();
    shop.publish(2000, 2500);
    shop.open();
    CHECK(shop.queue->stats().duplicates == 0);
    CHECK(is_new(100));
    CHECK(is_new(999) == !window);
  }
}

TEST_CASE("a store that found no room for a segment says that it is full, until none is wanted any more") {
  MemoryVfs memory;
  NarrowVfs disk(memory);
  Shop shop(disk);
  disk.full = true;
  shop.publish(0, 200);
  REQUIRE(shop.full);
  CHECK(shop.failures.empty());
  SECTION("because there is room") {
    disk.full = false;
  }
  SECTION("because it was all taken") {
    for (int n = 0; n < 200; ++n) REQUIRE(shop.get() == n);
  }
  // Its next attempt is due half a second after the last.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (int n = 200; shop.full; ++n) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    shop.publish(n, n + 1, 10);
    if (!disk.full) continue;
    REQUIRE(shop.get() == n);
  }
  CHECK((shop.store->stats().segments > 0) == !disk.full);
}

TEST_CASE("with threads of its own a store does the same") {
  MemoryVfs disk;
  REQUIRE(disk.make_folder("."));
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> posted;
  DiskStore::Options options;
  options.folder = "shard-0";
  options.log_file_bytes = 64 << 10;
  options.log_budget_bytes = 128 << 10;
  options.memory_budget_bytes = 32 << 10;
  DiskStore::Owner owner;
  owner.post = [&](std::function<void()> work) {
    const std::lock_guard lock(mutex);
    posted.push_back(std::move(work));
    changed.notify_one();
  };
  owner.failed = [](const DiskError& error) { FAIL(error.message); };
  auto store = *DiskStore::open(disk, options, owner);
  Environment environment;
  auto queue = std::make_unique<Queue>(entry({}, true), *store, environment);
  store->on_kept(
      [&](QueueId, std::uint64_t chunk, ChunkBits which, bool spilled) { queue->on_kept(chunk, which, spilled); });
  const auto run_until = [&](auto condition) {
    while (!condition()) {
      std::function<void()> work;
      {
        std::unique_lock lock(mutex);
        REQUIRE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return !posted.empty(); }));
        work = std::move(posted.front());
        posted.pop_front();
      }
      work();
    }
  };
  for (int n = 0; n < 2000; ++n) {
    const Lsn lsn = queue->publish(message(std::to_string(n) + std::string(900, '.'), {.persistent = true})).durable_at;
    store->commit();
    if (n % 50 == 49) run_until([&] { return store->durable() >= lsn; });
  }
  run_until([&] { return store->stats().segments > 0; });
  Delivery delivery;
  std::uint32_t remaining = 0;
  for (int n = 0; n < 2000; ++n) {
    REQUIRE(queue->get(true, delivery, remaining));
    REQUIRE(std::stoi(std::string(delivery.message->body())) == n);
  }
  queue.reset();
  store.reset();
}

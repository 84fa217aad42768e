// Delayed messages in the store they share a log with.
#include <deque>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "broker/store/disk_store.h"
#include "broker/store/power_loss_vfs.h"
#include "tests/unit/broker/store/schedule_bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

constexpr QueueId queue_id = 42;

struct StoreBench {
  explicit StoreBench(std::uint64_t seed) : disk(std::make_unique<PowerLossVfs>(seed)) {}

  // False where the disk failed meanwhile.
  bool open() {
    store.reset();
    posts.clear();
    failed = false;
    auto opened = DiskStore::open(
        *disk, {.folder = "shard-0", .log_file_bytes = 32768, .log_budget_bytes = 131072, .threads = false},
        {.post = [this](std::function<void()> work) { posts.push_back(std::move(work)); },
         .failed = [this](const DiskError&) { failed = true; }});
    if (!opened) return false;
    store = std::move(*opened);
    in_queue.clear();
    next_position = store->recover(
        queue_id, [this](const MessageStore::Loaded& loaded) { in_queue.emplace_back(loaded.message->body()); },
        [this](const MessageStore::Page& page) {
          page.live.each([&](unsigned index) {
            store->load(queue_id, page.chunk * chunk_positions + index, [&](const MessageStore::Loaded& loaded) {
              if (loaded.at == page.chunk * chunk_positions + index) in_queue.emplace_back(loaded.message->body());
            });
          });
        });
    store->recovered_all();
    return true;
  }
  // A turn of the loop ends, and the threads do a part of their work.
  void turn() {
    store->commit();
    store->work_log();
    store->work_segments();
    store->work_delays();
    for (std::deque<std::function<void()>> now = std::exchange(posts, {}); const auto& work : now) work();
  }
  void settle_down() {
    for (int turns = 0; turns < 200; ++turns) turn();
  }
  Lsn add(std::string_view body, std::uint64_t due_ms) {
    return store->delays().add("/", scheduled_message(body), due_ms, Durability::sync);
  }
  Lsn hold(std::string_view body, std::uint64_t due_ms) {
    return store->delays().hold(queue_id, scheduled_message(body), due_ms, Durability::sync);
  }
  std::vector<std::string> fire(std::uint64_t now_ms) {
    std::vector<std::string> bodies;
    std::vector<DelayStore::Due> due;
    for (bool more = true; more;) {
      due.clear();
      more = store->delays().take_due(now_ms, due);
      for (const DelayStore::Due& one : due) {
        bodies.emplace_back(one.message->body());
        if (one.queue == 0) {
          store->append(queue_id, next_position++, one.message, Durability::sync);
        } else {
          store->append_released(queue_id, next_position++, one.message, Durability::sync, one.key);
        }
      }
      if (!due.empty()) store->delays().fired(due.back().key);
    }
    return bodies;
  }

  std::unique_ptr<PowerLossVfs> disk;
  std::deque<std::function<void()>> posts;
  std::unique_ptr<DiskStore> store;
  std::vector<std::string> in_queue;  // As it was recovered.
  Position next_position = 1;
  bool failed = false;
};

}  // namespace

TEST_CASE("a confirm of a delayed message waits for the disk, and a restart brings what was confirmed") {
  StoreBench bench(1);
  REQUIRE(bench.open());
  const Lsn lsn = bench.add("kept", 1000);
  bench.add("early", 500);
  CHECK(bench.store->durable() < lsn);
  bench.settle_down();
  CHECK(bench.store->durable() >= lsn);
  CHECK(bench.fire(600) == std::vector<std::string>{"early"});
  bench.settle_down();
  bench.disk = bench.disk->crash();
  REQUIRE(bench.open());
  CHECK(bench.in_queue == std::vector<std::string>{"early"});
  CHECK(bench.store->delays().size() == 1);
  CHECK(bench.fire(2000) == std::vector<std::string>{"kept"});
}

TEST_CASE("the log retires although delayed messages wait for long, and each comes in order") {
  StoreBench bench(1);
  REQUIRE(bench.open());
  std::vector<std::string> all;
  for (int number = 0; number < 4000; ++number) {
    all.push_back(std::to_string(10'000 + number) + std::string(200, 'x'));
    bench.add(all.back(), static_cast<std::uint64_t>(100'000 + number));
    if (number % 10 == 0) bench.turn();
  }
  bench.settle_down();
  CHECK(bench.store->stats().log_bytes <= 5 * 32768);
  CHECK_FALSE(bench.disk->list("shard-0/delays")->empty());
  CHECK(bench.fire(100'999).size() == 1000);
  bench.settle_down();
  bench.disk = bench.disk->crash();
  REQUIRE(bench.open());
  CHECK(bench.store->delays().size() == 3000);
  CHECK(bench.fire(1'000'000) == std::vector<std::string>(all.begin() + 1000, all.end()));
  bench.settle_down();
  CHECK(bench.disk->list("shard-0/delays")->empty());
}

TEST_CASE("through power cuts what was confirmed as delayed is in its queue or still waits, what was held not both") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    StoreBench bench(seed);
    std::set<std::string> added;
    std::set<std::string> held;
    std::set<std::string> confirmed;
    std::uint64_t now = 1000;
    int number = 0;
    for (int life = 0; life < 4; ++life) {
      if (random() % 2 == 0) bench.disk->fail_from(random() % 300);
      if (bench.open()) {
        std::deque<std::pair<Lsn, std::string>> waiting;
        for (int step = 0; step < 300 && !bench.failed; ++step) {
          const auto choice = random() % 10;
          if (choice < 6) {
            const std::string body = std::to_string(++number) + std::string(random() % 600, 'x');
            added.insert(body);
            const std::uint64_t due = now + random() % 2000;
            if (random() % 2 == 0) {
              waiting.emplace_back(bench.hold(body, due), body);
              held.insert(body);
            } else {
              waiting.emplace_back(bench.add(body, due), body);
            }
          } else if (choice < 7) {
            now += random() % 100;
            bench.fire(now);
          } else {
            bench.turn();
          }
          while (!waiting.empty() && waiting.front().first <= bench.store->durable()) {
            confirmed.insert(waiting.front().second);
            waiting.pop_front();
          }
        }
      }
      bench.store.reset();
      bench.posts.clear();
      bench.disk = bench.disk->crash();
    }
    REQUIRE(bench.open());
    std::multiset<std::string> found(bench.in_queue.begin(), bench.in_queue.end());
    for (const std::string& body : bench.fire(now + 100'000)) found.insert(body);
    for (const std::string& body : held) REQUIRE(found.count(body) <= 1);
    for (const std::string& body : confirmed) REQUIRE(found.contains(body));
    for (const std::string& body : found) REQUIRE(added.contains(body));
  }
}

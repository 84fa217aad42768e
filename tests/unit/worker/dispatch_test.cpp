// Which of two workers gets what: short tasks are read ahead, and no task waits behind a long one.
#include <atomic>
#include <mutex>
#include <set>

#include <catch2/catch.hpp>

#include "tests/unit/worker/bench.h"

using namespace wherry;
using namespace wherry::worker::test;

TEST_CASE("What was read ahead is run by another worker while a long task keeps the slot", "[runtime]") {
  TestBroker broker;
  Doors doors;
  std::atomic<int> came_again = 0;
  auto define = [&](Registry& tasks) {
    tasks.on("short", [&](Context& context) { came_again += context.redelivered(); });
    tasks.on("long", [&](const std::string& door) { doors.enter(door); });
  };
  Running first(broker.url(), {.queues = {"q"}, .name = "first"}, define);
  Running second(broker.url(), {.queues = {"q"}, .name = "second"}, define);
  first.wait_ready();
  second.wait_ready();
  Client client(broker.url());
  const std::vector<Call<void>> many(2'000, Call<void>{"short", {}, {}});
  const std::vector<Call<void>> few(100, Call<void>{"short", {}, {}});
  const auto end = std::chrono::steady_clock::now() + patience;
  // How much is read ahead is up to the machine: again, until something was and has been given back.
  for (int round = 0; came_again == 0; ++round) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    for (const auto& job : client.enqueue_many(many, {.queue = "q"})) job.get(patience);
    const std::string door = "door " + std::to_string(round);
    const auto behind = client.async_send("long", args(door), {}, {.queue = "q"});
    for (const auto& job : client.enqueue_many(few, {.queue = "q"})) job.get(patience);
    doors.wait_entered(door);
    doors.open(door);
  }
  CHECK(first.stop() == 0);
  CHECK(second.stop() == 0);
}

TEST_CASE("A worker whose prefetch was set takes no more than that", "[runtime]") {
  TestBroker broker;
  Doors doors;
  std::mutex mutex;
  std::set<std::string> again;
  auto define = [&](Registry& tasks) {
    tasks.on("short", [&](Context& context) {
      if (!context.redelivered()) return;
      std::lock_guard lock(mutex);
      again.insert(context.id());
    });
    tasks.on("long", [&] { doors.enter("door"); });
  };
  Running first(broker.url(), {.queues = {"q"}, .prefetch = 1, .name = "first"}, define);
  Running second(broker.url(), {.queues = {"q"}, .prefetch = 1, .name = "second"}, define);
  first.wait_ready();
  second.wait_ready();
  Client client(broker.url());
  const std::vector<Call<void>> many(2'000, Call<void>{"short", {}, {}});
  for (const auto& job : client.enqueue_many(many, {.queue = "q"})) job.get(patience);
  const auto behind = client.async_send("long", {}, {}, {.queue = "q"});
  for (const auto& job : client.enqueue_many(many, {.queue = "q"})) job.get(patience);
  doors.wait_entered("door");
  doors.open("door");
  CHECK(again.empty());
  CHECK(first.stop() == 0);
  CHECK(second.stop() == 0);
}

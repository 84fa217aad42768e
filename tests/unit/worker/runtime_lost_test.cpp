// What becomes of tasks when the connection, or the broker, goes away under a worker.
#include <atomic>

#include <catch2/catch.hpp>

#include "tests/unit/worker/bench.h"

using namespace wherry;
using namespace wherry::worker::test;

TEST_CASE("A task whose connection breaks is given out again, and nothing is lost", "[runtime]") {
  const unsigned shards = GENERATE(1u, 2u);
  CAPTURE(shards);
  TestBroker broker(shards);
  Cable cable(broker.port());
  Doors doors;
  std::atomic<int> redelivered = 0;
  Running worker(cable.url(), {.queues = {"q"}, .concurrency = 2}, [&](Registry& tasks) {
    tasks.on("unit", [&](const std::string& name, Context& context) {
      redelivered += context.redelivered();
      doors.enter(name);
      return name;
    });
  });
  Client client(broker.url());
  auto cut = client.send("unit", args("cut"), {}, {.queue = "q"});
  doors.wait_entered("cut");
  cable.cut();
  auto next = client.send("unit", args("next"), {}, {.queue = "q"});
  doors.wait_entered("cut", 2);  // On the other thread, while the first still runs.
  CHECK(redelivered == 1);
  doors.open("cut");
  doors.open("next");
  CHECK(cut.get(patience) == task::Value("cut"));
  CHECK(next.get(patience) == task::Value("next"));
  CHECK(worker.stop() == 0);
  CHECK(doors.times("cut") == 2);
}

TEST_CASE("A task that fails after its connection broke is not tried twice over", "[runtime]") {
  TestBroker broker;
  Cable cable(broker.port());
  Doors doors;
  std::atomic<int> runs = 0;
  Running worker(cable.url(),
                 {.queues = {"q"}, .concurrency = 2, .retry = {.max_retries = 1, .base = 1ms, .jitter = false}},
                 [&](Registry& tasks) {
                   tasks.on("fails", [&] {
                     if (++runs == 1) doors.enter("first");
                     throw std::runtime_error("no");
                   });
                   tasks.on("mark", [] {});
                 });
  Client client(broker.url());
  auto job = client.send("fails", {}, {}, {.queue = "q"});
  doors.wait_entered("first");
  cable.cut();
  // Given out again, and tried to the last, while the first still runs.
  CHECK_THROWS_WITH(job.get(patience), "std::runtime_error: no");
  doors.open("first");
  client.send("mark", {}, {}, {.queue = "q"}).get(patience);
  CHECK(worker.stop() == 0);
  CHECK(runs == 3);
  Peer peer(broker.url(), {.name = "wherry.dead"});
  peer.consume("wherry.dead");
  peer.next();
  peer.publish({.routing_key = "wherry.dead", .body = "last"});
  CHECK(peer.next().body == "last");
}

TEST_CASE("A held task runs once though the connection broke meanwhile", "[runtime]") {
  TestBroker broker;
  Cable cable(broker.port());
  std::atomic<int> runs = 0;
  Running worker(cable.url(), {.queues = {"q"}}, [&](Registry& tasks) {
    tasks.on("later", [&] { ++runs; });
    tasks.on("mark", [] {});
  });
  worker.wait_ready();
  Client client(broker.url());
  auto later = client.send("later", {}, {}, {.countdown = 2s, .exchange = "", .routing_key = "q"});
  client.send("mark", {}, {}, {.queue = "q"}).get(patience);  // Behind it: so it is held by now.
  cable.cut();
  client.send("mark", {}, {}, {.queue = "q"}).get(patience);
  later.get(patience);
  client.send("mark", {}, {}, {.queue = "q"}).get(patience);
  CHECK(worker.stop() == 0);
  CHECK(runs == 1);
}

TEST_CASE("A worker finds its broker again after that was restarted, and makes its queues anew", "[runtime]") {
  TestBroker broker;
  Doors doors;
  Running worker(broker.url(), {.queues = {"q"}}, [&](Registry& tasks) {
    tasks.on("unit", [&](const std::string& name) { doors.enter(name); });
    tasks.on("now", [] { return 1; });
  });
  {
    Client client(broker.url());
    client.send("unit", args("before"), {}, {.queue = "q"});
    doors.wait_entered("before");
  }
  broker.stop();
  doors.open("before");
  broker.start();
  Client client(broker.url());
  CHECK(client.send("now", {}, {}, {.queue = "q"}).get(patience) == task::Value(1));
  CHECK(worker.stop() == 0);
}

TEST_CASE("A worker may be stopped while its broker is away", "[runtime]") {
  TestBroker broker;
  Doors doors;
  Running worker(broker.url(), {.queues = {"q"}}, [&](Registry& tasks) {
    tasks.on("unit", [&](const std::string& name) {
      doors.enter(name);
      throw std::runtime_error("too late");
    });
  });
  {
    Client client(broker.url());
    client.send("unit", args("a"), {}, {.queue = "q"});
    doors.wait_entered("a");
  }
  broker.stop();
  worker.begin_stop();
  doors.open("a");
  CHECK(worker.wait_code() == 0);
}

// A broker short of memory: what the client says to those who enqueue, and that nothing is lost.
#include <atomic>

#include <catch2/catch.hpp>

#include "tests/unit/worker/bench.h"

using namespace wherry;
using namespace wherry::worker::test;

TEST_CASE("While the broker blocks publishers an enqueue says so at its deadline, and goes on when it may",
          "[runtime]") {
  TestBroker broker;
  std::atomic<int> ran = 0;
  Running worker(broker.url(), {.queues = {"q"}}, [&](Registry& tasks) { tasks.on("count", [&] { return ++ran; }); });
  worker.wait_ready();
  Client client(broker.url());
  CHECK(client.send("count", {}, {}, {.queue = "q"}).get(patience) == task::Value(1));

  broker.alarms().set(broker::Alarm::memory, true);
  std::string said;
  try {
    // The first one meets the alarm at the broker; how soon the client hears of it is the network's affair.
    client.send("count", {}, {}, {.queue = "q", .timeout = 2s});
  } catch (const ClientError& error) {
    CHECK(error.code() == Errc::timed_out);
    said = error.what();
  }
  CHECK(said.find("the broker holds back publishers: low on memory") != said.npos);

  auto held = client.async_send("count", {}, {}, {.queue = "q", .timeout = 60s});
  broker.alarms().set(broker::Alarm::memory, false);
  CHECK(held.get().get(patience).get<std::int64_t>() != nullptr);
  CHECK(ran >= 2);
  CHECK(worker.stop() == 0);
}

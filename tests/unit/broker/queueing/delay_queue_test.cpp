#include "broker/queueing/delay_queue.h"

#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

Bodies due(DelayQueue& queue, std::uint64_t now_ms) {
  Bodies all;
  while (MessageRef taken = queue.take_due(now_ms)) all.emplace_back(taken->body());
  return all;
}

}  // namespace

TEST_CASE("delayed messages come out soonest first, and in the order they came when due together") {
  DelayQueue queue;
  CHECK_FALSE(queue.next_due());
  queue.add(message("c"), 300);
  queue.add(message("a"), 100);
  for (std::string_view body : {"b 1", "b 2", "b 3", "b 4"}) queue.add(message(body), 200);
  CHECK(queue.next_due() == 100);
  CHECK(due(queue, 99) == Bodies{});
  CHECK(due(queue, 200) == Bodies{"a", "b 1", "b 2", "b 3", "b 4"});
  CHECK(queue.next_due() == 300);
  CHECK(due(queue, 1000) == Bodies{"c"});
  CHECK(queue.size() == 0);
  CHECK(queue.bytes() == 0);
}

TEST_CASE("a delayed message begins to live when it is due") {
  DelayQueue queue;
  queue.add(message("a", {}, 50), 100);
  CHECK(queue.take_due(500)->published_ms() == 100);
}

TEST_CASE("what waits for an exchange goes with it") {
  DelayQueue queue;
  for (std::string_view exchange : {"x", "y", "x"}) {
    queue.add(Message::create({.exchange = exchange, .routing_key = "k"}), 10);
  }
  CHECK(queue.drop("x") == 2);
  CHECK(queue.size() == 1);
  CHECK(queue.take_due(10)->exchange() == "y");
  CHECK(queue.bytes() == 0);
}

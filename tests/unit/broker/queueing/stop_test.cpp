#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("a stopped queue takes messages and gives none, and goes on in order when it is resumed") {
  Bench bench;
  Listener listener;
  bench.consume(listener, 10);
  bench.publish("before");
  CHECK_FALSE(bench.queue.stopped());
  bench.queue.set_stopped(true);
  CHECK(bench.queue.stopped());
  bench.publish_all({"a", "b"});
  CHECK(listener.bodies() == Bodies{"before"});
  CHECK(bench.queue.ready_count() == 2);
  // What is settled makes room, and gives nothing either; nor does one who comes.
  bench.ack(&listener, {listener.position(0)});
  Listener late;
  bench.consume(late, 10);
  CHECK(listener.bodies() == Bodies{"before"});
  CHECK(late.bodies().empty());
  CHECK(bench.queue.consumer_count() == 2);
  bench.queue.set_stopped(false);
  CHECK(bench.queue.ready_count() == 0);
  CHECK(listener.got.size() + late.got.size() == 3);
  bench.publish("after");
  CHECK(bench.queue.ready_count() == 0);
}

TEST_CASE("messages of a stopped queue go by hand, expire, and are dropped by length") {
  Bench bench;
  Listener listener;
  bench.consume(listener, 10);
  bench.queue.set_stopped(true);
  bench.publish_all({"a", "b", "c"});
  CHECK(bench.get().message->body() == "a");
  QueueLimits limits = bench.queue.limits();
  limits.max_length = 1;
  bench.queue.set_limits(limits);
  CHECK(bench.queue.ready_count() == 1);
  limits.message_ttl_ms = 50;
  bench.queue.set_limits(limits);
  bench.environment.now_ms += 100;
  bench.queue.on_time(bench.environment.now_ms);
  CHECK(bench.queue.ready_count() == 0);
  CHECK(listener.got.empty());
}

TEST_CASE("what a stopped queue's consumer gives back waits there until it is resumed") {
  Bench bench;
  Listener listener;
  bench.consume(listener, 10);
  bench.publish_all({"a", "b"});
  bench.queue.set_stopped(true);
  bench.requeue(&listener, {listener.position(0)});
  CHECK(bench.queue.ready_count() == 1);
  CHECK(listener.got.size() == 2);
  bench.queue.set_stopped(false);
  CHECK(listener.bodies() == Bodies{"a", "b", "a"});
  CHECK(listener.got[2].redelivered);
}

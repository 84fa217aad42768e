#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("a queue's time to live ends its messages when it is over and not before") {
  Bench bench(table({{"x-message-ttl", 1000}}));
  bench.publish("a");
  bench.pass(500);
  bench.publish("b");
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 500);
  bench.pass(499);
  CHECK(bench.queue.ready_count() == 2);
  bench.pass(1);
  CHECK(bench.queue.ready_count() == 1);
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 500);
  bench.pass(500);
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.queue.stats().expired == 2);
}

TEST_CASE("an expired message is never delivered, even when nobody has looked at the clock since") {
  Bench bench(table({{"x-message-ttl", 1000}}));
  Listener listener;
  listener.refuse = true;
  SECTION("by get") {
    bench.publish("a");
    bench.environment.now_ms += 1000;
    CHECK_FALSE(bench.get().message);
  }
  SECTION("to a new consumer") {
    bench.publish("a");
    bench.environment.now_ms += 1000;
    listener.refuse = false;
    bench.consume(listener);
  }
  SECTION("to one that resumes") {
    bench.consume(listener);
    bench.publish("a");
    bench.environment.now_ms += 1000;
    listener.refuse = false;
    bench.queue.resume(listener);
  }
  CHECK(listener.got.empty());
  CHECK(bench.queue.stats().expired == 1);
}

TEST_CASE("a message's own expiration counts where it is shorter than the queue's") {
  Bench bench(table({{"x-message-ttl", 1000}}));
  bench.publish("short", {.expiration = "100"});
  bench.publish("long", {.expiration = "5000"});
  bench.pass(100);
  CHECK(bench.queue.ready_count() == 1);
  bench.pass(900);
  CHECK(bench.queue.ready_count() == 0);
}

TEST_CASE("a message with a short expiration behind one without leaves when it reaches the head") {
  Bench bench;
  bench.publish("first");
  bench.publish("second", {.expiration = "10"});
  bench.pass(1000);
  CHECK(bench.queue.ready_count() == 2);
  CHECK(bench.get(true).message->body() == "first");
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.queue.stats().expired == 1);
  CHECK_FALSE(bench.get(true).message);
}

TEST_CASE("with no time to live at all a message lives only if somebody takes it now") {
  for (bool by_queue : {true, false}) {
    CAPTURE(by_queue);
    Bench bench(by_queue ? table({{"x-message-ttl", 0}}) : table({}));
    Sent how{.expiration = by_queue ? "" : "0"};
    bench.publish("nobody there", how);
    CHECK(bench.queue.ready_count() == 0);
    Listener listener;
    bench.consume(listener, 1);
    bench.publish("taken", how);
    bench.publish("no room", how);
    CHECK(listener.bodies() == Bodies{"taken"});
    CHECK(bench.queue.ready_count() == 0);
    CHECK(bench.queue.stats().expired == 2);
  }
}

TEST_CASE("a returned message keeps its first deadline") {
  Bench bench(table({{"x-message-ttl", 1000}}));
  bench.publish("a");
  Delivery out = bench.get();
  bench.pass(600);
  bench.requeue(nullptr, {out.position});
  bench.pass(399);
  CHECK(bench.queue.ready_count() == 1);
  bench.pass(1);
  CHECK(bench.queue.ready_count() == 0);
}

TEST_CASE("a message that is out with a consumer does not expire, but does when it comes back too late") {
  Bench bench(table({{"x-message-ttl", 1000}, {"x-dead-letter-exchange", "dlx"}}));
  bench.publish("a");
  Delivery out = bench.get();
  bench.pass(5000);
  CHECK(bench.queue.unacked_count() == 1);
  bench.requeue(nullptr, {out.position});
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.dead(DeadLetterReason::expired) == Bodies{"a"});
}

TEST_CASE("queues whose messages do not expire never ask to be woken") {
  Bench bench;
  bench.publish("a");
  bench.get();
  CHECK_FALSE(bench.environment.wake_ms);
}

TEST_CASE("an early call is harmless and the queue asks again") {
  Bench bench(table({{"x-message-ttl", 1000}}));
  bench.publish("a");
  std::uint64_t due = bench.environment.wake_ms.value();
  bench.environment.wake_ms.reset();
  CHECK_FALSE(bench.queue.on_time(bench.environment.now_ms + 10));
  CHECK(bench.queue.ready_count() == 1);
  CHECK(bench.environment.wake_ms == due);
}

TEST_CASE("a queue that nobody uses expires after x-expires") {
  Bench bench(table({{"x-expires", 1000}}));
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 1000);
  bench.publish("publishing is not use");
  CHECK_FALSE(bench.pass(999));
  CHECK(bench.pass(1));
}

TEST_CASE("getting, declaring again and consuming are use") {
  Bench bench(table({{"x-expires", 1000}}));
  bench.pass(900);
  SECTION("get") {
    bench.get();
  }
  SECTION("declare") {
    bench.queue.touch();
  }
  SECTION("consume") {
    Listener listener;
    bench.consume(listener);
    CHECK_FALSE(bench.pass(5000));
    CHECK_FALSE(bench.queue.on_time(bench.environment.now_ms));
    bench.queue.remove_consumer(listener);
  }
  CHECK_FALSE(bench.pass(999));
  CHECK(bench.pass(1));
}

TEST_CASE("each level of a queue with priorities expires at its own head") {
  Bench bench(table({{"x-max-priority", 2}}));
  bench.publish("high", {.priority = 2});
  bench.publish("low", {.priority = 0, .expiration = "10"});
  bench.pass(10);
  CHECK(bench.drain() == Bodies{"high"});
}

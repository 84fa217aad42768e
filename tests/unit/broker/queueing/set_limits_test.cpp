#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {
QueueLimits limits(std::initializer_list<std::pair<const char*, amqp::FieldValue>> arguments) {
  return QueueLimits(table(arguments));
}
}  // namespace

TEST_CASE("a lowered length lets the excess go at once, as dead letters where there is somewhere to go") {
  Bench bench;
  bench.publish_all({"a", "b", "c", "d"});
  SECTION("by messages, and they are gone") {
    bench.queue.set_limits(limits({{"x-max-length", 2}}));
    CHECK(bench.environment.letters.empty());
    CHECK(bench.drain() == Bodies{"c", "d"});
  }
  SECTION("by bytes, and they are dead letters") {
    bench.queue.set_limits(limits({{"x-max-length-bytes", 3}, {"x-dead-letter-exchange", "dlx"}}));
    CHECK(bench.dead(DeadLetterReason::maxlen) == Bodies{"a"});
    CHECK(bench.environment.letters[0].to->exchange == "dlx");
    CHECK(bench.drain() == Bodies{"b", "c", "d"});
  }
  SECTION("with reject-publish what is there stays, and the next one is refused") {
    bench.queue.set_limits(limits({{"x-max-length", 2}, {"x-overflow", "reject-publish"}}));
    CHECK(bench.queue.ready_count() == 4);
    CHECK_FALSE(bench.publish("e").accepted);
    // And from there to drop-head.
    bench.queue.set_limits(limits({{"x-max-length", 2}}));
    CHECK(bench.drain() == Bodies{"c", "d"});
  }
}

TEST_CASE("a time to live that is set counts for what is there, from when it came") {
  Bench bench;
  bench.publish("old");
  bench.environment.now_ms += 800;
  bench.publish("young");
  Delivery out = bench.get();
  bench.queue.set_limits(limits({{"x-message-ttl", 1000}}));
  CHECK(bench.queue.ready_count() == 1);
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 1000);
  // What a consumer holds does not expire, but does when it comes back.
  bench.environment.now_ms += 300;
  bench.requeue(nullptr, {out.position});
  CHECK(bench.queue.ready_count() == 1);
  CHECK(bench.queue.stats().expired == 1);
  bench.pass(700);
  CHECK(bench.queue.ready_count() == 0);
}

TEST_CASE("a time to live that is taken away leaves messages their own expiration") {
  Bench bench(table({{"x-message-ttl", 1000}}));
  bench.publish("own", {.expiration = "1500"});
  bench.publish("queue's");
  bench.queue.set_limits(limits({}));
  bench.pass(1000);
  CHECK(bench.queue.ready_count() == 2);
  bench.pass(500);
  CHECK(bench.drain() == Bodies{"queue's"});
  CHECK(bench.queue.stats().expired == 1);
}

TEST_CASE("what a limit lets go of very many messages leaves in portions, and none of it is delivered meanwhile") {
  constexpr int many = 10'000;
  Bench bench;
  for (int i = 0; i < many; ++i) bench.publish("old");
  bench.environment.now_ms += 5000;
  bench.publish("young");
  Listener listener;
  SECTION("by time to live") {
    bench.queue.set_limits(limits({{"x-message-ttl", 1000}}));
    CHECK(bench.queue.ready_count() > 1);
    bench.consume(listener);
    CHECK(listener.got.empty());
  }
  SECTION("by time to live, and somebody gets one") {
    bench.queue.set_limits(limits({{"x-message-ttl", 1000}}));
    CHECK(bench.get(true).message->body() == "young");
    bench.publish("young");
    bench.consume(listener);
  }
  SECTION("by length") {
    bench.queue.set_limits(limits({{"x-max-length", 1}}));
    CHECK(bench.queue.ready_count() > 1);
    while (bench.queue.ready_count() > 1) {
      REQUIRE(bench.environment.wake_ms);
      bench.pass(0);
    }
    bench.consume(listener);
  }
  SECTION("by time to live, which is taken away again") {
    bench.queue.set_limits(limits({{"x-message-ttl", 1000}}));
    const std::uint32_t left = bench.queue.ready_count();
    bench.queue.set_limits(limits({}));
    bench.consume(listener);
    CHECK(listener.got.size() == left);
    return;
  }
  SECTION("by time to live, and the rest is purged") {
    bench.queue.set_limits(limits({{"x-message-ttl", 1000}}));
    bench.queue.purge();
    bench.consume(listener);
    bench.publish("young");
  }
  while (listener.got.empty() && bench.environment.wake_ms) bench.pass(0);
  CHECK(listener.bodies() == Bodies{"young"});
}

TEST_CASE("an idle queue's time begins when its limit is set") {
  Bench bench;
  bench.environment.now_ms += 60'000;
  bench.queue.set_limits(limits({{"x-expires", 1000}}));
  CHECK_FALSE(bench.pass(999));
  CHECK(bench.pass(1));
}

TEST_CASE("an idle queue whose limit is taken away does not expire") {
  Bench bench(table({{"x-expires", 1000}}));
  bench.queue.set_limits(limits({}));
  CHECK_FALSE(bench.pass(5000));
}

TEST_CASE("a new dead-letter target counts for what dies from then on") {
  Bench bench(table({{"x-dead-letter-exchange", "first"}, {"x-dead-letter-routing-key", "k"}}));
  bench.publish_all({"a", "b", "c"});
  bench.discard(nullptr, {bench.get().position});
  bench.queue.set_limits(limits({{"x-dead-letter-exchange", "second"}}));
  bench.discard(nullptr, {bench.get().position});
  bench.queue.set_limits(limits({}));
  bench.discard(nullptr, {bench.get().position});
  REQUIRE(bench.environment.letters.size() == 2);
  CHECK(bench.environment.letters[0].to->exchange == "first");
  CHECK(bench.environment.letters[0].to->routing_key == "k");
  CHECK(bench.environment.letters[1].to->exchange == "second");
  CHECK_FALSE(bench.environment.letters[1].to->routing_key);
}

TEST_CASE("a delivery limit that is set counts the deliveries that were") {
  Bench bench;
  bench.publish("poison");
  for (int i = 0; i < 3; ++i) bench.requeue(nullptr, {bench.get().position});
  bench.queue.set_limits(limits({{"x-delivery-limit", 2}}));
  CHECK(bench.queue.ready_count() == 1);
  bench.requeue(nullptr, {bench.get().position});
  CHECK(bench.queue.ready_count() == 0);
}

TEST_CASE("priorities and the single active consumer stay as declared") {
  Bench bench(table({{"x-max-priority", 3}, {"x-single-active-consumer", true}}));
  bench.queue.set_limits(limits({}));
  CHECK(bench.queue.single_active_consumer());
  bench.publish("low");
  bench.publish("high", {.priority = 3});
  CHECK(bench.drain() == Bodies{"high", "low"});
}

// Queues that hand out so many messages a second.
#include <catch2/catch.hpp>

#include "broker/queueing/token_bucket.h"
#include "tests/unit/broker/queueing/bench.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

void publish(Bench& bench, int count) {
  for (int n = 0; n < count; ++n) bench.publish(std::to_string(n));
}

}  // namespace

TEST_CASE("a queue with a rate hands out its burst at once and the rest evenly") {
  Bench bench(table({{"x-rate-limit", 10}, {"x-rate-burst", 3}}));
  Listener listener;
  bench.consume(listener);
  publish(bench, 20);
  CHECK(listener.got.size() == 3);
  for (std::size_t n = 4; n <= 10; ++n) {
    REQUIRE(bench.environment.wake_ms == bench.environment.now_ms + 100);
    bench.pass(99);
    CHECK(listener.got.size() == n - 1);
    bench.pass(1);
    CHECK(listener.got.size() == n);
  }
}

TEST_CASE("by default a second's worth is the burst, and at least one") {
  for (const auto& [rate, burst] :
       {std::pair{amqp::FieldValue(5), 5u}, {amqp::FieldValue(2.5), 3u}, {amqp::FieldValue(amqp::Decimal{1, 2}), 1u}}) {
    Bench bench(table({{"x-rate-limit", rate}}));
    Listener listener;
    bench.consume(listener);
    publish(bench, 10);
    CHECK(listener.got.size() == burst);
  }
}

TEST_CASE("a rate is exact over time, also one that does not divide a second, and when wake-ups are late") {
  for (const std::uint64_t late : {0, 3, 40}) {
    CAPTURE(late);
    Bench bench(table({{"x-rate-limit", 7}, {"x-rate-burst", 1}}));
    Listener listener;
    bench.consume(listener);
    publish(bench, 1000);
    const std::uint64_t begin = bench.environment.now_ms;
    while (bench.environment.now_ms < begin + 100'000) {
      REQUIRE(bench.environment.wake_ms);
      bench.pass(*bench.environment.wake_ms - bench.environment.now_ms + late);
    }
    CHECK(listener.got.size() >= 700);
    CHECK(listener.got.size() <= 702);
  }
}

TEST_CASE("the rate is the queue's, however many consumers there are, in turn") {
  Bench bench(table({{"x-rate-limit", 10}, {"x-rate-burst", 2}}));
  Listener one;
  Listener other;
  bench.consume(one);
  bench.consume(other);
  publish(bench, 10);
  bench.pass(100);
  bench.pass(100);
  CHECK(one.bodies() == Bodies{"0", "2"});
  CHECK(other.bodies() == Bodies{"1", "3"});
}

TEST_CASE("a queue that waits for nothing but a consumer does not ask to be woken") {
  Bench bench(table({{"x-rate-limit", 1}}));
  publish(bench, 2);
  CHECK_FALSE(bench.environment.wake_ms);
  Listener listener;
  bench.consume(listener, 1);
  CHECK(listener.got.size() == 1);
  CHECK_FALSE(bench.environment.wake_ms);
  bench.ack(&listener, {listener.position(0)});
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 1000);
}

TEST_CASE("what nobody takes is not saved up beyond the burst") {
  Bench bench(table({{"x-rate-limit", 10}, {"x-rate-burst", 2}}));
  bench.environment.now_ms += 3'600'000;
  Listener listener;
  bench.consume(listener);
  publish(bench, 10);
  CHECK(listener.got.size() == 2);
}

TEST_CASE("get is served whatever the rate says, and counts") {
  Bench bench(table({{"x-rate-limit", 10}, {"x-rate-burst", 2}}));
  publish(bench, 10);
  for (int n = 0; n < 3; ++n) CHECK(bench.get(true).message);
  Listener listener;
  bench.consume(listener);
  CHECK(listener.got.empty());
  bench.pass(100);
  CHECK(listener.got.size() == 1);
}

TEST_CASE("a delivery that was refused or given back takes nothing from the rate") {
  Bench bench(table({{"x-rate-limit", 1}, {"x-rate-burst", 1}}));
  Listener refuses;
  refuses.refuse = true;
  bench.consume(refuses);
  publish(bench, 2);
  Listener stand_in;
  bench.consume(stand_in);
  REQUIRE(stand_in.got.size() == 1);
  bench.give_back(stand_in, {stand_in.position(0)});
  bench.queue.resume(stand_in);
  CHECK(stand_in.bodies() == Bodies{"0", "0"});
}

TEST_CASE("a rate may come, change and go while the queue lives") {
  Bench bench;
  Listener listener;
  bench.consume(listener);
  QueueLimits limits = bench.queue.limits();
  limits.rate = RateLimit{.per_ms = 10'000'000, .burst = 1};  // 10 a second.
  bench.queue.set_limits(limits);
  publish(bench, 5);
  CHECK(listener.got.size() == 1);
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 100);
  limits.rate->per_ms = 100'000'000;
  bench.queue.set_limits(limits);
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 10);
  bench.pass(10);
  CHECK(listener.got.size() == 2);
  limits.rate.reset();
  bench.queue.set_limits(limits);
  CHECK(listener.got.size() == 5);
}

TEST_CASE("an expired message is not delivered though it waited for the rate") {
  Bench bench(table({{"x-rate-limit", 1}, {"x-rate-burst", 1}}));
  Listener listener;
  bench.consume(listener);
  publish(bench, 1);
  bench.publish("no hurry");
  bench.publish("short", {.expiration = "500"});
  bench.pass(1000);
  bench.environment.now_ms += 1000;
  bench.publish("last");
  CHECK(listener.bodies() == Bodies{"0", "no hurry", "last"});
}

TEST_CASE("a clock that is set back brings no tokens and takes none") {
  TokenBucket bucket;
  const RateLimit limit{.per_ms = 10'000'000, .burst = 1};
  CHECK(bucket.has(limit, 5'000));
  bucket.take();
  CHECK_FALSE(bucket.has(limit, 1'000));
  CHECK(bucket.next_ms(limit) == 1'100);
  CHECK(bucket.has(limit, 1'100));
}

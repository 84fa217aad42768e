// Deliveries that are unsettled for too long.
#include <catch2/catch.hpp>

#include "broker/queueing/delivery_times.h"
#include "tests/unit/broker/queueing/bench.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("a delivery that nobody settles in time goes to another consumer") {
  Bench bench(table({{"x-consumer-timeout", 1000}}), true);
  Listener hung;
  bench.consume(hung, 1);
  bench.publish("a", {.persistent = true});
  Listener other;
  bench.consume(other);
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 1000);
  bench.pass(999);
  CHECK(other.got.empty());
  bench.pass(1);
  REQUIRE(other.bodies() == Bodies{"a"});
  CHECK(other.got[0].redelivered);
  CHECK(other.got[0].delivery_count == 1);
  CHECK(bench.queue.stats().timed_out == 1);
  CHECK(bench.queue.stats().requeued == 1);
  CHECK(bench.environment.losers == Bodies{"c: 1"});
}

TEST_CASE("a consumer that let a delivery time out gets nothing more for it until it answers") {
  Bench bench(table({{"x-consumer-timeout", 1000}}));
  Listener hung;
  bench.consume(hung, 1);
  bench.publish("a");
  bench.publish("b");
  bench.pass(1000);
  CHECK(hung.got.size() == 1);
  CHECK(bench.queue.ready_count() == 2);
  bench.queue.ack(&hung, DeliveryIds{hung.got[0].id()});
  CHECK(hung.bodies() == Bodies{"a", "a"});
  CHECK(bench.queue.unacked_count() == 1);
}

TEST_CASE("a late answer settles no later delivery, whatever it says") {
  Bench bench(table({{"x-consumer-timeout", 1000}, {"x-dead-letter-exchange", "dlx"}}), true);
  Listener hung;
  Listener other;
  bench.consume(hung, 1);
  bench.publish("a", {.persistent = true});
  bench.consume(other);
  bench.pass(1000);
  REQUIRE(other.got.size() == 1);
  const DeliveryIds late{hung.got[0].id()};
  SECTION("ack") {
    bench.queue.ack(&hung, late);
  }
  SECTION("requeue") {
    bench.queue.requeue(&hung, late);
  }
  SECTION("discard") {
    bench.queue.discard(&hung, late);
  }
  SECTION("given back by a stand-in") {
    bench.queue.give_back(hung, late);
  }
  SECTION("when its channel leaves") {
    bench.queue.remove_consumer(hung);
    bench.queue.requeue(nullptr, late);
  }
  CHECK(bench.queue.unacked_count() == 1);
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.queue.stats().acked == 0);
  CHECK(bench.queue.stats().requeued == 1);
  CHECK(bench.environment.letters.empty());
  CHECK(bench.store.kept(17) == 1);
  bench.queue.ack(&other, DeliveryIds{other.got[0].id()});
  CHECK(bench.queue.unacked_count() == 0);
  CHECK(bench.store.kept(17) == 0);
}

TEST_CASE("a late answer for a message that is settled by now is passed over") {
  Bench bench(table({{"x-consumer-timeout", 1000}, {"x-delivery-limit", 0}, {"x-dead-letter-exchange", "dlx"}}));
  Listener hung;
  bench.consume(hung, 1);
  bench.publish("a");
  bench.pass(1000);
  CHECK(bench.dead(DeadLetterReason::delivery_limit) == Bodies{"a"});
  bench.queue.ack(&hung, DeliveryIds{hung.got[0].id()});
  CHECK(bench.queue.stats().acked == 0);
  bench.publish("b");
  CHECK(hung.bodies() == Bodies{"a", "b"});
}

TEST_CASE("deliveries time out each in its own time, and settled ones never") {
  Bench bench(table({{"x-consumer-timeout", 1000}}));
  Listener listener;
  bench.consume(listener, 3);
  for (const char* body : {"a", "b", "c"}) {
    bench.publish(body);
    bench.pass(100);
  }
  bench.ack(&listener, {listener.position(0)});
  bench.queue.set_prefetch(listener, 2);
  bench.pass(699);
  CHECK(bench.queue.stats().timed_out == 0);
  bench.pass(1);
  bench.pass(100);
  CHECK(bench.queue.stats().timed_out == 1);
  bench.pass(99);
  CHECK(bench.queue.stats().timed_out == 1);
  bench.pass(1);
  CHECK(bench.queue.stats().timed_out == 2);
  CHECK(bench.queue.unacked_count() == 0);
  CHECK(bench.queue.ready_count() == 2);
}

TEST_CASE("a message's time begins anew with each delivery, also after it was given back") {
  Bench bench(table({{"x-consumer-timeout", 1000}}));
  Listener listener;
  bench.consume(listener, 1);
  bench.publish("a");
  bench.pass(600);
  const bool undone = GENERATE(true, false);
  if (undone) {
    bench.give_back(listener, {listener.position(0)});
    bench.queue.resume(listener);
  } else {
    bench.requeue(&listener, {listener.position(0)});
  }
  REQUIRE(listener.got.size() == 2);
  bench.pass(400);
  bench.pass(599);
  CHECK(bench.queue.stats().timed_out == 0);
  bench.pass(1);
  CHECK(bench.queue.stats().timed_out == 1);
}

TEST_CASE("what get took times out as well") {
  Bench bench(table({{"x-consumer-timeout", 1000}}));
  bench.publish("a");
  const Delivery first = bench.get();
  bench.pass(1000);
  CHECK(bench.environment.losers == Bodies{": 1"});
  const Delivery second = bench.get();
  CHECK(second.delivery_count == 1);
  bench.queue.ack(nullptr, DeliveryIds{first.id()});
  CHECK(bench.queue.unacked_count() == 1);
}

TEST_CASE("the broker's timeout holds where the queue has none of its own") {
  Environment environment;
  MemoryStore store;
  environment.timeout_ms = 500;
  const auto wakes = [&](amqp::Table arguments) {
    environment.wake_ms.reset();
    Queue queue(entry(std::move(arguments)), store, environment);
    queue.publish(message("a"));
    Delivery delivery;
    std::uint32_t remaining = 0;
    queue.get(false, delivery, remaining);
    return environment.wake_ms.value_or(0);
  };
  CHECK(wakes({}) == environment.now_ms + 500);
  CHECK(wakes(table({{"x-consumer-timeout", 2000}})) == environment.now_ms + 2000);
  CHECK(wakes(table({{"x-consumer-timeout", 0}})) == 0);
}

TEST_CASE("a timeout may come, change and go while the queue lives") {
  Bench bench;
  Listener listener;
  bench.consume(listener, 2);
  bench.publish("before");
  QueueLimits limits = bench.queue.limits();
  limits.consumer_timeout_ms = 1000;
  bench.queue.set_limits(limits);
  bench.publish("after");
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 1000);
  bench.pass(400);
  limits.consumer_timeout_ms = 500;
  bench.queue.set_limits(limits);
  bench.pass(100);
  CHECK(bench.queue.stats().timed_out == 1);
  limits.consumer_timeout_ms.reset();
  bench.queue.set_limits(limits);
  bench.pass(10'000);
  CHECK(bench.queue.stats().timed_out == 1);
  CHECK(bench.queue.unacked_count() == 1);
  bench.queue.ack(&listener, DeliveryIds{listener.got[1].id(), listener.got[0].id()});
  CHECK(bench.queue.stats().acked == 1);
}

TEST_CASE("a consumer that the queue need not time is left alone") {
  Bench bench(table({{"x-consumer-timeout", 1000}}));
  Listener stand_in;
  ConsumerOptions options;
  options.times_out = false;
  REQUIRE(bench.queue.add_consumer(stand_in, options));
  bench.publish("a");
  CHECK_FALSE(bench.environment.wake_ms);
  bench.queue.ack(&stand_in, DeliveryIds{stand_in.got[0].id()});
}

TEST_CASE("one delivery that stays does not keep the times of those after it") {
  DeliveryTimes times;
  const auto open = [](const DeliveryId& delivery) { return delivery.position == 1; };
  for (Position at = 1; at <= 100'000; ++at) times.add({{at, 0}, 1000 + at, 1}, at == 1 ? 1 : 2, open);
  CHECK(times.size() < 100);
  REQUIRE(times.oldest(open) != nullptr);
  CHECK(times.oldest(open)->at_ms == 1001);
  times.pop_oldest();
  CHECK(times.oldest(open) == nullptr);
  CHECK(times.size() == 0);
}

TEST_CASE("a clock that is set back does not put deliveries out of order") {
  DeliveryTimes times;
  const auto open = [](const DeliveryId&) { return true; };
  times.add({{1, 0}, 5000, 1}, 1, open);
  times.add({{2, 0}, 1000, 1}, 2, open);
  times.pop_oldest();
  CHECK(times.oldest(open)->at_ms == 5000);
}

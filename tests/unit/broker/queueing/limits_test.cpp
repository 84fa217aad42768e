#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("over its length a queue drops from the head") {
  Bench bench(table({{"x-max-length", 2}}));
  for (std::string_view body : {"a", "b", "c", "d"}) CHECK(bench.publish(body).accepted);
  CHECK(bench.queue.stats().dropped == 2);
  CHECK(bench.drain() == Bodies{"c", "d"});
}

TEST_CASE("length counts ready messages only, and a returned one can push over it") {
  Bench bench(table({{"x-max-length", 2}}));
  bench.publish("a");
  Delivery out = bench.get();
  bench.publish_all({"b", "c"});
  CHECK(bench.queue.stats().dropped == 0);
  bench.requeue(nullptr, {out.position});
  CHECK(bench.drain() == Bodies{"b", "c"});
}

TEST_CASE("a queue of length 0 hands over to waiting consumers only") {
  Bench bench(table({{"x-max-length", 0}}));
  bench.publish("lost");
  Listener listener;
  bench.consume(listener, 1);
  bench.publish_all({"got", "lost too"});
  CHECK(listener.bodies() == Bodies{"got"});
  CHECK(bench.queue.ready_count() == 0);
}

TEST_CASE("bytes are limited too") {
  Bench bench(table({{"x-max-length-bytes", 10}}));
  bench.publish_all({"aaaa", "bbbb", "cccc"});
  CHECK(bench.drain() == Bodies{"bbbb", "cccc"});
  bench.publish("much too long for it");
  CHECK(bench.queue.ready_count() == 0);
}

TEST_CASE("reject-publish refuses what does not fit and keeps what is there") {
  Bench bench(table({{"x-max-length", 1}, {"x-overflow", "reject-publish"}, {"x-dead-letter-exchange", "dlx"}}));
  CHECK(bench.publish("a").accepted);
  CHECK_FALSE(bench.publish("b").accepted);
  CHECK(bench.queue.stats().rejected_publishes == 1);
  CHECK(bench.environment.letters.empty());
  CHECK(bench.drain() == Bodies{"a"});
  CHECK(bench.publish("c").accepted);
}

TEST_CASE("reject-publish-dlx dead-letters what it refuses") {
  Bench bench(table({{"x-max-length", 1}, {"x-overflow", "reject-publish-dlx"}, {"x-dead-letter-exchange", "dlx"}}));
  bench.publish("a");
  CHECK_FALSE(bench.publish("b").accepted);
  CHECK(bench.dead(DeadLetterReason::maxlen) == Bodies{"b"});
  CHECK(bench.environment.letters[0].position == no_position);
}

TEST_CASE("with priorities the highest leaves first, in order within one, and a returned one goes back to its place") {
  Bench bench(table({{"x-max-priority", 5}}));
  bench.publish("low 1", {.priority = 1});
  bench.publish("none");
  bench.publish("high 1", {.priority = 5});
  bench.publish("low 2", {.priority = 1});
  bench.publish("higher than there is", {.priority = 200});
  Delivery out = bench.get();
  CHECK(out.message->body() == "high 1");
  bench.publish("high 3", {.priority = 5});
  bench.requeue(nullptr, {out.position});
  CHECK(bench.drain() == Bodies{"high 1", "higher than there is", "high 3", "low 1", "low 2", "none"});
}

TEST_CASE("a full queue with priorities lets go the oldest of the lowest") {
  Bench bench(table({{"x-max-priority", 5}, {"x-max-length", 2}}));
  bench.publish("high", {.priority = 5});
  bench.publish("low 1");
  bench.publish("low 2");
  CHECK(bench.drain() == Bodies{"high", "low 2"});
}

TEST_CASE("without x-max-priority the priority of a message means nothing") {
  Bench bench;
  bench.publish("a");
  bench.publish("b", {.priority = 9});
  CHECK(bench.drain() == Bodies{"a", "b"});
}

TEST_CASE("a message that came back more often than the delivery limit leaves") {
  Bench bench(table({{"x-delivery-limit", 2}, {"x-dead-letter-exchange", "dlx"}}));
  bench.publish("poison");
  for (int i = 0; i < 3; ++i) {
    Delivery delivery = bench.get();
    REQUIRE(delivery.message);
    bench.requeue(nullptr, {delivery.position});
  }
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.queue.unacked_count() == 0);
  CHECK(bench.dead(DeadLetterReason::delivery_limit) == Bodies{"poison"});
  CHECK(bench.queue.stats().over_delivery_limit == 1);
}

TEST_CASE("a queue counts how often in a row a message was lost, and one that gives it back ends the row") {
  MemoryStore store;
  Environment environment;
  const QueueEntryRef kept = entry({}, true);
  auto lose = [](Queue& queue) {
    Delivery delivery;
    std::uint32_t remaining = 0;
    REQUIRE(queue.get(false, delivery, remaining));
    const DeliveryId id = delivery.id();
    queue.requeue(nullptr, {&id, 1}, true);
    return delivery;
  };
  {
    Queue queue(kept, store, environment);
    queue.publish(message("poison", {.persistent = true}));
    CHECK(lose(queue).lost_count == 0);
    CHECK(lose(queue).lost_count == 1);
    const Delivery third = lose(queue);
    CHECK(third.lost_count == 2);
    CHECK(third.delivery_count == 2);
  }
  // Another life of the broker.
  Queue queue(kept, store, environment);
  REQUIRE(queue.recover() == 1);
  Delivery delivery;
  std::uint32_t remaining = 0;
  REQUIRE(queue.get(false, delivery, remaining));
  CHECK(delivery.lost_count == 3);
  CHECK(delivery.delivery_count == 3);
  const DeliveryId given_back = delivery.id();
  queue.requeue(nullptr, {&given_back, 1});
  CHECK(lose(queue).lost_count == 0);
  const Delivery last = lose(queue);
  CHECK(last.lost_count == 1);
  CHECK(last.delivery_count == 5);
}

TEST_CASE("what the store keeps of deliveries is two counts in one number, and neither spills into the other") {
  const auto round = [](std::uint32_t returned, std::uint8_t lost) {
    const DeliveryCounts counts = DeliveryCounts::from(DeliveryCounts{returned, lost}.as_kept());
    return std::pair(counts.returned, int(counts.lost));
  };
  CHECK(round(0, 0) == std::pair(0u, 0));
  CHECK(round(7, 3) == std::pair(7u, 3));
  CHECK(round(20'000'000, 255) == std::pair(DeliveryCounts::most_returned, 255));
  // As it was written before there was a second count.
  CHECK(DeliveryCounts::from(12).returned == 12);
  CHECK(DeliveryCounts::from(12).lost == 0);
}

#include "broker/store/memory_store.h"

#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("a queue rebuilt from its store has its unsettled messages, in order, with their counts") {
  MemoryStore store;
  Environment environment;
  {
    Queue queue(entry({}, true), store, environment);
    for (std::string_view body : {"acked", "out", "back", "ready", "transient", "last"}) {
      queue.publish(message(body, {.persistent = body != "transient"}));
    }
    std::uint32_t remaining = 0;
    Delivery acked, out, back;
    queue.get(false, acked, remaining);
    queue.get(false, out, remaining);
    queue.get(false, back, remaining);
    queue.ack(nullptr, DeliveryIds{acked.id()});
    queue.requeue(nullptr, DeliveryIds{back.id()});
  }
  Queue queue(entry({}, true), store, environment);
  CHECK(queue.recover() == 4);
  CHECK(queue.ready_count() == 4);
  queue.publish(message("new", {.persistent = true}));
  Bodies bodies;
  Delivery delivery;
  for (std::uint32_t remaining = 0; queue.get(true, delivery, remaining);) {
    bodies.emplace_back(delivery.message->body());
    CHECK(delivery.redelivered == (bodies.back() == "back"));
    CHECK(delivery.delivery_count == (bodies.back() == "back" ? 1 : 0));
  }
  CHECK(bodies == Bodies{"out", "back", "ready", "last", "new"});
  CHECK(store.kept(17) == 0);
}

TEST_CASE("a recovered message keeps the deadline it had") {
  MemoryStore store;
  Environment environment;
  auto arguments = table({{"x-message-ttl", 1000}});
  {
    Queue queue(entry(arguments, true), store, environment);
    queue.publish(message("a", {.persistent = true}, environment.now_ms));
    environment.now_ms += 600;
    queue.publish(message("b", {.persistent = true}, environment.now_ms));
  }
  environment.now_ms += 400;
  Queue queue(entry(arguments, true), store, environment);
  queue.recover();
  CHECK(queue.ready_count() == 1);
  CHECK(store.kept(17) == 1);
}

TEST_CASE("a dead letter that was not routed before the end is in its old queue again") {
  MemoryStore store;
  Environment environment;
  auto arguments = table({{"x-dead-letter-exchange", "dlx"}});
  {
    Queue queue(entry(arguments, true), store, environment);
    queue.publish(message("a", {.persistent = true}));
    Delivery delivery;
    std::uint32_t remaining = 0;
    queue.get(false, delivery, remaining);
    queue.discard(nullptr, DeliveryIds{delivery.id()});
  }
  Queue queue(entry(arguments, true), store, environment);
  CHECK(queue.recover() == 1);
}

TEST_CASE("the store keeps each queue for itself, and numbers its records upward") {
  MemoryStore store;
  Lsn first = store.append(1, 1, message("a"), Durability::sync);
  Lsn second = store.append(2, 1, message("b"), Durability::sync);
  Lsn third = store.append(1, 5, message("c"), Durability::sync);
  const auto body_at = [&](QueueId queue, Position at) {
    std::string body;
    store.load(queue, at, [&](const MessageStore::Loaded& loaded) { body = loaded.message->body(); });
    return body;
  };
  CHECK(first < second);
  CHECK(second < third);
  CHECK(store.durable() == third);
  CHECK(body_at(1, 5) == "c");
  CHECK(body_at(1, 2).empty());
  CHECK(body_at(3, 1).empty());
  store.settle_range(1, 1, 5);
  CHECK(store.kept(1) == 1);
  store.settle(1, 5);
  CHECK(body_at(1, 5).empty());
  store.drop(2);
  CHECK(store.kept(2) == 0);
  int recovered = 0;
  CHECK(store.recover(
            2, [&](const MessageStore::Loaded&) { ++recovered; }, [&](const MessageStore::Page&) { ++recovered; }) ==
        1);
  CHECK(recovered == 0);
}

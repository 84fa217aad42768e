// Queues that accept a message once.
#include "broker/routing/deduplication.h"

#include <catch2/catch.hpp>

#include "base/iso8601.h"
#include "tests/unit/broker/queueing/bench.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

std::string with_headers(amqp::Table headers) {
  amqp::Properties properties;
  properties.delivery_mode = 2;
  properties.headers = std::move(headers);
  return amqp::encode_properties(properties);
}

MessageRef keyed(std::string_view body, amqp::FieldValue key, bool persistent = true,
                 std::optional<std::uint64_t> eta_ms = {}) {
  amqp::Table headers = table({{"x-deduplication-header", std::move(key)}});
  if (eta_ms) headers.set("eta", format_iso8601(WallTime(std::chrono::milliseconds(*eta_ms))));
  const std::string raw = with_headers(std::move(headers));
  auto made = Message::create({.routing_key = "q",
                               .properties = raw,
                               .delivery_mode = persistent ? std::uint8_t{2} : std::uint8_t{1},
                               .body_size = body.size(),
                               .published_ms = 1'000'000});
  made->append_body(body);
  return made;
}

amqp::Table while_queued() {
  return table({{"x-message-deduplication", true}});
}

// A queue that begins anew on what its store has.
struct Life {
  Life(MemoryStore& store, amqp::Table arguments, std::uint64_t now_ms = 1'000'000)
      : queue(entry(arguments, true), store, environment) {
    environment.now_ms = now_ms;
    queue.recover();
  }
  bool is_new(std::string_view key) {
    const auto before = queue.stats().duplicates;
    queue.publish(keyed("again", std::string(key)));
    return queue.stats().duplicates == before;
  }
  DeliveryId take() {
    Delivery delivery;
    std::uint32_t remaining = 0;
    REQUIRE(queue.get(false, delivery, remaining));
    return {delivery.position, delivery.delivery_count};
  }
  Environment environment;
  Queue queue;
};

constexpr std::uint64_t start_ms = 1'000'000;

}  // namespace

TEST_CASE("a queue without the arguments accepts a key as often as it comes") {
  Bench bench;
  bench.queue.publish(keyed("1", "k"));
  bench.queue.publish(keyed("2", "k"));
  CHECK(bench.queue.ready_count() == 2);
  CHECK(bench.queue.stats().duplicates == 0);
}

TEST_CASE("while a message is in the queue its duplicates are confirmed and dropped") {
  Bench bench(while_queued(), true);
  const auto first = bench.queue.publish(keyed("1", "k"));
  const auto second = bench.queue.publish(keyed("2", "k"));
  CHECK(second.accepted);
  // A crash that loses the first must not find the second confirmed.
  CHECK(second.durable_at == first.durable_at);
  bench.queue.publish(keyed("3", "other"));
  bench.publish("no key");
  CHECK(bench.queue.stats().duplicates == 1);
  CHECK(bench.queue.stats().published == 3);
  CHECK(bench.queue.ready_count() == 3);

  const Delivery taken = bench.get();
  CHECK(taken.message->body() == "1");
  bench.queue.publish(keyed("4", "k"));  // In somebody's hands it is still there.
  CHECK(bench.queue.stats().duplicates == 2);
  bench.requeue(nullptr, {taken.position});
  bench.queue.publish(keyed("5", "k"));
  CHECK(bench.queue.stats().duplicates == 3);
  bench.ack(nullptr, {bench.get().position});
  bench.queue.publish(keyed("6", "k"));
  CHECK(bench.queue.stats().duplicates == 3);
  CHECK(bench.drain() == Bodies{"3", "no key", "6"});
}

TEST_CASE("however a message leaves, its key may come again") {
  Bench bench(table({{"x-message-deduplication", true}, {"x-message-ttl", 100}, {"x-max-length", 2}}), true);
  const auto again = [&] {
    const auto before = bench.queue.stats().duplicates;
    bench.queue.publish(keyed("x", "k"));
    const bool accepted = bench.queue.stats().duplicates == before;
    CHECK(bench.queue.ready_count() == 1);
    return accepted;
  };
  CHECK(again());
  bench.discard(nullptr, {bench.get().position});
  CHECK(again());
  bench.get(true);
  CHECK(again());
  bench.pass(100);  // Expired.
  CHECK(again());
  bench.queue.purge();
  CHECK(again());
  bench.publish_all({"a", "b"});  // Dropped, for the queue is full.
  bench.queue.purge();
  CHECK(again());
  Listener listener;
  bench.queue.purge();
  bench.consume(listener, 0, true);
  bench.queue.publish(keyed("x", "k"));
  bench.queue.publish(keyed("x", "k"));
  CHECK(listener.got.size() == 2);  // It was gone before the second came.
}

TEST_CASE("a refused message may come again") {
  Bench bench(table({{"x-message-deduplication", true}, {"x-max-length", 1}, {"x-overflow", "reject-publish"}}));
  bench.publish("full");
  CHECK_FALSE(bench.queue.publish(keyed("x", "k")).accepted);
  bench.drain();
  CHECK(bench.queue.publish(keyed("x", "k")).accepted);
  CHECK(bench.queue.ready_count() == 1);
}

TEST_CASE("a window knows a key for its time, whether its message is there or not") {
  Bench bench(table({{"x-dedup-window", 1000}}));
  bench.queue.publish(keyed("1", "k"));
  bench.drain();
  bench.environment.now_ms = start_ms + 999;
  bench.queue.publish(keyed("2", "k"));
  CHECK(bench.queue.stats().duplicates == 1);
  // A duplicate does not begin it anew.
  bench.environment.now_ms = start_ms + 1000;
  bench.queue.publish(keyed("3", "k"));
  CHECK(bench.drain() == Bodies{"3"});
}

TEST_CASE("a window knows as many keys as it was told, the newest") {
  Bench bench(table({{"x-dedup-count", 2}}));
  for (const char* key : {"a", "b", "c"}) bench.queue.publish(keyed(key, key));
  bench.environment.now_ms += 1'000'000'000;
  bench.queue.publish(keyed("c", "c"));
  bench.queue.publish(keyed("b", "b"));
  CHECK(bench.queue.stats().duplicates == 2);
  bench.queue.publish(keyed("a", "a"));
  CHECK(bench.queue.stats().duplicates == 2);
  CHECK(bench.queue.ready_count() == 4);
}

TEST_CASE("a held message has its key until it was taken back, was purged, or has left the queue") {
  amqp::Table arguments = while_queued();
  arguments.set("x-hold-eta", true);
  Bench bench(arguments, true);
  const auto duplicates = [&] {
    bench.queue.publish(keyed("again", "k"));
    return bench.queue.stats().duplicates;
  };
  bench.queue.publish(keyed("held", "k", true, start_ms + 100));
  CHECK(duplicates() == 1);
  bench.store.delays().list_held(17, {}, 1, [&](HeldPage page) {
    REQUIRE(page.messages.size() == 1);
    bench.queue.taken_back(page.messages);
  });
  bench.queue.purge();
  bench.queue.publish(keyed("held", "k", true, start_ms + 100));
  CHECK(duplicates() == 2);
  bench.queue.purge();
  CHECK(duplicates() == 2);
  bench.drain();
  bench.queue.publish(keyed("held", "k", true, start_ms + 100));
  bench.environment.now_ms = start_ms + 100;
  std::vector<DelayStore::Due> due;
  bench.store.delays().take_due(start_ms + 100, due);
  REQUIRE(due.size() == 1);
  bench.queue.release(due[0].message, due[0].key);
  CHECK(duplicates() == 3);
  CHECK(bench.drain() == Bodies{"held"});
  CHECK(duplicates() == 3);
}

TEST_CASE("after a restart the keys of messages in a durable queue are known, and those of no others") {
  MemoryStore store;
  {
    Life life(store, while_queued());
    for (const char* key : {"ready", "acked", "taken"}) CHECK(life.is_new(key));
    const DeliveryId ready = life.take();
    const DeliveryId acked = life.take();
    life.take();
    life.queue.ack(nullptr, {&acked, 1});
    life.queue.requeue(nullptr, {&ready, 1});
  }
  Life life(store, while_queued());
  CHECK_FALSE(life.is_new("ready"));
  CHECK_FALSE(life.is_new("taken"));
  CHECK(life.is_new("acked"));
}

TEST_CASE("a window survives a restart, in its order and with its times") {
  const amqp::Table arguments = table({{"x-dedup-count", 2}, {"x-dedup-window", 1000}});
  MemoryStore store;
  {
    Life life(store, arguments);
    CHECK(life.is_new("a"));
    life.environment.now_ms = start_ms + 500;
    CHECK(life.is_new("b"));
    life.environment.now_ms = start_ms + 600;
    CHECK(life.is_new("c"));
    // Said again, as when the oldest of the log goes: "b" stands behind "c" there.
    CHECK(life.queue.renew_notes(4));
    life.queue.purge();
  }
  Life life(store, arguments, start_ms + 1499);
  CHECK_FALSE(life.is_new("b"));
  life.environment.now_ms = start_ms + 1500;
  CHECK(life.is_new("b"));
  CHECK_FALSE(life.is_new("c"));
  CHECK(life.is_new("a"));
}

TEST_CASE("a note that a crash has lost is made of the message itself") {
  MemoryStore store;
  store.append(17, 1, keyed("x", "k"), Durability::sync);
  for (const amqp::Table& arguments : {while_queued(), table({{"x-dedup-count", 5}})}) {
    Life life(store, arguments);
    CHECK_FALSE(life.is_new("k"));
  }
}

TEST_CASE("a queue may begin to look for duplicates, and cease, while it lives") {
  Bench bench;
  const auto limits = [](amqp::Table arguments) { return QueueLimits(arguments); };
  const auto publish = [&] {
    bench.queue.publish(keyed("x", "k"));
    return bench.queue.ready_count();
  };
  CHECK(publish() == 1);
  bench.queue.set_limits(limits(while_queued()));
  CHECK(publish() == 2);
  CHECK(publish() == 2);
  bench.queue.set_limits(limits({}));
  CHECK(publish() == 3);
}

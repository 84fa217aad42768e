#include <algorithm>
#include <map>

#include <catch2/catch.hpp>

#include "tests/unit/broker/queueing/bench.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("messages leave in the order they came") {
  Bench bench;
  bench.publish_all({"a", "b", "c"});
  CHECK(bench.queue.ready_count() == 3);
  CHECK(bench.queue.head_published_ms() == bench.environment.now_ms);
  CHECK(bench.drain() == Bodies{"a", "b", "c"});
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.queue.head_published_ms() == 0);
}

TEST_CASE("a message with a waiting consumer goes straight to it") {
  Bench bench;
  Listener listener;
  CHECK_FALSE(bench.queue.ever_consumed());
  bench.consume(listener);
  CHECK(bench.queue.ever_consumed());
  bench.publish("a");
  CHECK(listener.bodies() == Bodies{"a"});
  CHECK_FALSE(listener.got[0].redelivered);
  CHECK(listener.got[0].delivery_count == 0);
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.queue.unacked_count() == 1);
  bench.ack(&listener, {listener.position(0)});
  CHECK(bench.queue.unacked_count() == 0);
}

TEST_CASE("a consumer that comes later gets what waited") {
  Bench bench;
  bench.publish_all({"a", "b"});
  Listener listener;
  bench.consume(listener);
  CHECK(listener.bodies() == Bodies{"a", "b"});
}

TEST_CASE("without acknowledgements a message is settled when it is delivered") {
  Bench bench({}, true);
  Listener listener;
  bench.consume(listener, 1, true);
  for (std::string_view body : {"a", "b", "c"}) bench.publish(body, {.persistent = true});
  CHECK(listener.bodies() == Bodies{"a", "b", "c"});
  CHECK(bench.queue.unacked_count() == 0);
  CHECK(bench.store.kept(17) == 0);
}

TEST_CASE("a requeued message returns to its own place, marked as redelivered") {
  Bench bench;
  bench.publish_all({"a", "b", "c", "d"});
  std::vector<Delivery> out;
  for (int i = 0; i < 3; ++i) out.push_back(bench.get());
  CHECK(bench.queue.ready_count() == 1);
  bench.requeue(nullptr, {out[1].position});
  bench.requeue(nullptr, {out[2].position, out[0].position});
  Bodies bodies;
  for (int i = 0; i < 4; ++i) {
    Delivery delivery = bench.get();
    bodies.emplace_back(delivery.message->body());
    CHECK(delivery.redelivered == (i < 3));
    CHECK(delivery.delivery_count == (i < 3 ? 1 : 0));
  }
  CHECK(bodies == Bodies{"a", "b", "c", "d"});
}

TEST_CASE("each return counts once") {
  Bench bench;
  bench.publish("a");
  for (std::uint32_t count = 0; count < 5; ++count) {
    Delivery delivery = bench.get();
    CHECK(delivery.delivery_count == count);
    bench.requeue(nullptr, {delivery.position});
  }
  CHECK(bench.queue.stats().requeued == 5);
  CHECK(bench.queue.stats().redelivered == 4);
}

TEST_CASE("get takes one message and says how many are left") {
  Bench bench;
  bench.publish_all({"a", "b"});
  Delivery delivery;
  std::uint32_t remaining = 9;
  REQUIRE(bench.queue.get(false, delivery, remaining));
  CHECK(delivery.message->body() == "a");
  CHECK(remaining == 1);
  CHECK(bench.queue.unacked_count() == 1);
  REQUIRE(bench.queue.get(true, delivery, remaining));
  CHECK(remaining == 0);
  CHECK(bench.queue.unacked_count() == 1);
  CHECK_FALSE(bench.queue.get(true, delivery, remaining));
  CHECK(bench.queue.stats().get_empty == 1);
}

TEST_CASE("purge drops what is ready and leaves what is out") {
  Bench bench({}, true);
  for (std::string_view body : {"a", "b", "c", "d"}) bench.publish(body, {.persistent = true});
  Delivery out = bench.get();
  Delivery back = bench.get();
  bench.requeue(nullptr, {back.position});
  CHECK(bench.queue.purge() == 3);
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.queue.unacked_count() == 1);
  CHECK(bench.store.kept(17) == 1);
  bench.requeue(nullptr, {out.position});
  CHECK(bench.drain() == Bodies{"a"});
}

TEST_CASE("deleting tells every consumer and keeps nothing, and nothing is dead-lettered") {
  Bench bench(table({{"x-dead-letter-exchange", "dlx"}}), true);
  for (std::string_view body : {"a", "b", "c"}) bench.publish(body, {.persistent = true});
  Listener first, second;
  bench.consume(first, 1);
  bench.consume(second, 1);
  bench.queue.delete_all();
  CHECK(first.told_deleted);
  CHECK(second.told_deleted);
  CHECK(bench.queue.ready_count() == 0);
  CHECK(bench.queue.unacked_count() == 0);
  CHECK(bench.queue.consumer_count() == 0);
  CHECK(bench.store.kept(17) == 0);
  CHECK(bench.environment.letters.empty());
}

TEST_CASE("only persistent messages of durable queues are stored, each until it is settled") {
  Bench durable({}, true), transient;
  CHECK(durable.publish("a", {.persistent = true}).durable_at != 0);
  CHECK(durable.publish("b").durable_at == 0);
  CHECK(transient.publish("c", {.persistent = true}).durable_at == 0);
  CHECK(durable.store.kept(17) == 1);
  CHECK(transient.store.kept(17) == 0);
  Delivery delivery = durable.get();
  CHECK(durable.store.kept(17) == 1);
  durable.ack(nullptr, {delivery.position});
  CHECK(durable.store.kept(17) == 0);
}

TEST_CASE("bytes and persistent messages are accounted for wherever they are") {
  Bench bench;
  bench.publish("12345", {.persistent = true});
  bench.publish("123");
  const QueueStats& stats = bench.queue.stats();
  CHECK(stats.ready_bytes == 8);
  CHECK(stats.ready_persistent == 1);
  Delivery delivery = bench.get();
  CHECK(stats.ready_bytes == 3);
  CHECK(stats.unacked_bytes == 5);
  CHECK(stats.ready_persistent == 0);
  CHECK(stats.unacked_persistent == 1);
  bench.ack(nullptr, {delivery.position});
  bench.drain();
  CHECK(stats.ready_bytes + stats.unacked_bytes + stats.ready_persistent + stats.unacked_persistent == 0);
  CHECK(stats.published == 2);
  CHECK(stats.acked == 1);
  CHECK(stats.got == 1);
  CHECK(stats.got_no_ack == 1);
}

TEST_CASE("one message that is never settled does not disturb the many that pass it") {
  Bench bench;
  bench.publish("stuck");
  Delivery stuck = bench.get();
  Listener listener;
  bench.consume(listener);
  for (int i = 0; i < 5000; ++i) {
    bench.publish(std::to_string(i));
    REQUIRE(listener.got.size() == 1);
    bench.ack(&listener, {listener.position(0)});
    listener.got.clear();
  }
  CHECK(bench.queue.unacked_count() == 1);
  bench.requeue(nullptr, {stuck.position});
  CHECK(listener.bodies() == Bodies{"stuck"});
}

TEST_CASE("a long queue drains in order, across all that is kept of it") {
  Bench bench;
  for (int i = 0; i < 3000; ++i) bench.publish(std::to_string(i));
  Positions every_third;
  for (int i = 0; i < 3000; ++i) {
    Delivery delivery = bench.get();
    REQUIRE(delivery.message->body() == std::to_string(i));
    if (i % 3 == 0) {
      every_third.push_back(delivery.position);
    } else {
      bench.ack(nullptr, {delivery.position});
    }
  }
  bench.requeue(nullptr, every_third);
  for (int i = 0; i < 3000; i += 3) REQUIRE(bench.get(true).message->body() == std::to_string(i));
  CHECK(bench.drain().empty());
}

TEST_CASE("a queue is looked through without anything being delivered, and any message can be taken out of it") {
  const std::uint8_t levels = GENERATE(std::uint8_t{0}, std::uint8_t{2});
  Bench bench(levels == 0 ? wherry::amqp::Table{} : table({{"x-max-priority", 2}}), true);
  for (int number = 0; number < 600; ++number) {
    bench.publish(std::to_string(number),
                  {.priority = static_cast<std::uint8_t>(number % (levels + 1)), .persistent = true});
  }
  // One is in a consumer's hands, one came back.
  const Delivery held = bench.get();
  const Delivery returned = bench.get();
  bench.requeue(nullptr, {returned.position});

  Bodies seen;
  Positions even;
  Position at = 0;
  std::size_t looks = 0;
  for (; at < bench.queue.end(); ++looks) {
    std::size_t shown = 0;
    at = bench.queue.browse(at, bench.queue.end(), 100, [&](Position where, const MessageRef& message) {
      seen.emplace_back(message->body());
      if (std::stoi(seen.back()) % 2 == 0) even.push_back(where);
      ++shown;
    });
    REQUIRE(shown <= 100);
  }
  CHECK(looks <= 7);
  REQUIRE(seen.size() == 599);
  Bodies sorted = seen;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return std::stoi(a) < std::stoi(b); });
  CHECK(sorted == seen);
  CHECK(bench.queue.ready_count() == 599);

  const std::uint64_t bytes = bench.queue.stats().ready_bytes;
  CHECK(bench.queue.take_out(even) == even.size());
  CHECK(bench.queue.take_out(even) == 0);
  CHECK(bench.queue.ready_count() == 599 - even.size());
  CHECK(bench.queue.stats().ready_bytes < bytes);
  bench.publish("601", {.persistent = true});
  bench.requeue(nullptr, {held.position});
  // The order of the others is what it was: each priority's own.
  std::map<int, std::vector<int>> by_level;
  for (const std::string& body : bench.drain()) {
    const int number = std::stoi(body);
    by_level[number == 601 ? 0 : number % (levels + 1)].push_back(number);
    if (number != std::stoi(std::string(held.message->body()))) CHECK(number % 2 == 1);
  }
  for (auto& [level, numbers] : by_level) CHECK(std::is_sorted(numbers.begin(), numbers.end()));
  CHECK(bench.queue.stats().ready_bytes == 0);
  CHECK(bench.queue.ready_count() == 0);
}

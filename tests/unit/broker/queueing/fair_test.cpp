// Queues that are fair to the values of a header, and the order they keep.
#include <map>
#include <random>

#include <catch2/catch.hpp>

#include "broker/queueing/fair_key.h"
#include "broker/queueing/fair_turns.h"
#include "tests/unit/broker/queueing/bench.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

amqp::Table fair(std::initializer_list<std::pair<const char*, amqp::FieldValue>> more = {}) {
  amqp::Table arguments = table(more);
  arguments.set("x-fair-key", "tenant");
  return arguments;
}

// "a1" is of tenant a.
void publish(Bench& bench, std::initializer_list<const char*> bodies, Sent how = {}) {
  for (std::string_view body : bodies) {
    how.tenant = std::string(body.substr(0, 1));
    bench.publish(body, how);
  }
}

}  // namespace

TEST_CASE("tenants take turns, and each has its order") {
  Bench bench(fair());
  publish(bench, {"a1", "a2", "a3", "a4", "b1", "b2", "c1"});
  CHECK(bench.drain() == Bodies{"a1", "b1", "c1", "a2", "b2", "a3", "a4"});
}

TEST_CASE("who comes late with one message waits for one of each other tenant") {
  Bench bench(fair());
  for (int n = 0; n < 1000; ++n) publish(bench, {"a-"});
  bench.get(true);
  publish(bench, {"b1"});
  bench.get(true);
  CHECK(bench.get(true).message->body() == "b1");
  CHECK(bench.queue.ready_count() == 998);
}

TEST_CASE("consumers are given what turns say, and the one with room gets it") {
  Bench bench(fair());
  Listener one;
  Listener other;
  publish(bench, {"a1", "a2", "a3", "b1"});
  bench.consume(one, 1);
  bench.consume(other, 1);
  CHECK(one.bodies() == Bodies{"a1"});
  CHECK(other.bodies() == Bodies{"b1"});
  bench.ack(&other, {other.position(0)});
  CHECK(other.bodies() == Bodies{"b1", "a2"});
}

TEST_CASE("messages without the header are one more tenant; numbers and their texts are the same one") {
  Bench bench(fair());
  bench.publish("none 1");
  bench.publish("none 2");
  bench.publish("seven 1", {.tenant = amqp::FieldValue(std::int32_t{7})});
  bench.publish("seven 2", {.tenant = amqp::FieldValue("7")});
  bench.publish("table", {.tenant = amqp::FieldValue(amqp::Table{})});
  CHECK(bench.drain() == Bodies{"none 1", "seven 1", "none 2", "seven 2", "table"});
}

TEST_CASE("of a long text the first 255 bytes are the key") {
  const auto key = [](const std::string& tenant) {
    return fair_key(*message("", {.tenant = amqp::FieldValue(tenant)}), "tenant");
  };
  CHECK(key(std::string(255, 'a')) == std::string(255, 'a'));
  CHECK(key(std::string(100'000, 'a')) == std::string(255, 'a'));
}

TEST_CASE("a requeued message returns to its place within its tenant's") {
  Bench bench(fair());
  publish(bench, {"a1", "a2", "a3", "b1", "b2", "b3"});
  const Delivery a1 = bench.get(), b1 = bench.get(), a2 = bench.get(), b2 = bench.get();
  bench.requeue(nullptr, {a2.position, b1.position, a1.position});
  CHECK(bench.drain() == Bodies{"a1", "b1", "a2", "b3", "a3"});
}

TEST_CASE("a tenant that had nothing left comes back with a requeued message") {
  Bench bench(fair());
  publish(bench, {"a1", "b1", "b2"});
  const Delivery a1 = bench.get();
  bench.requeue(nullptr, {a1.position});
  CHECK(bench.get().message->body() == "b1");
  CHECK(bench.get().redelivered);
  CHECK(bench.drain() == Bodies{"b2"});
}

TEST_CASE("priorities come first, and tenants take turns within one") {
  Bench bench(fair({{"x-max-priority", 5}}));
  publish(bench, {"a1", "a2", "b1"}, {.priority = 1});
  publish(bench, {"a3", "a4", "c1"}, {.priority = 4});
  CHECK(bench.drain() == Bodies{"a3", "c1", "a4", "a1", "b1", "a2"});
}

TEST_CASE("a full fair queue drops the oldest of all, whoever's it is") {
  Bench bench(fair({{"x-max-length", 3}}));
  publish(bench, {"a1", "a2", "b1"});
  bench.requeue(nullptr, {bench.get().position});
  publish(bench, {"b2", "c1"});
  CHECK(bench.queue.stats().dropped == 2);
  CHECK(bench.queue.ready_count() == 3);
  CHECK(bench.drain() == Bodies{"b1", "c1", "b2"});
}

TEST_CASE("an expired message of a fair queue is never delivered, wherever it stands") {
  Bench bench(fair({{"x-dead-letter-exchange", "dlx"}}));
  publish(bench, {"a1", "a2"});
  publish(bench, {"b1"}, {.expiration = "100"});
  publish(bench, {"b2"});
  bench.environment.now_ms += 100;
  SECTION("by get") {
    CHECK(bench.drain() == Bodies{"a1", "b2", "a2"});
  }
  SECTION("to a consumer") {
    Listener listener;
    bench.consume(listener);
    CHECK(listener.bodies() == Bodies{"a1", "b2", "a2"});
  }
  CHECK(bench.dead(DeadLetterReason::expired) == Bodies{"b1"});
}

TEST_CASE("a time to live ends the messages of all tenants in time") {
  Bench bench(fair({{"x-message-ttl", 1000}}));
  publish(bench, {"a1"});
  bench.pass(500);
  publish(bench, {"b1", "a2"});
  CHECK(bench.environment.wake_ms == bench.environment.now_ms + 500);
  bench.pass(500);
  CHECK(bench.queue.ready_count() == 2);
  bench.pass(500);
  CHECK(bench.queue.ready_count() == 0);
}

TEST_CASE("a purged fair queue starts anew") {
  Bench bench(fair(), true);
  publish(bench, {"a1", "b1", "a2"}, {.persistent = true});
  CHECK(bench.queue.purge() == 3);
  CHECK(bench.store.kept(17) == 0);
  publish(bench, {"b2", "a3"});
  CHECK(bench.drain() == Bodies{"b2", "a3"});
}

TEST_CASE("a fair queue knows its tenants again after a restart") {
  MemoryStore store;
  Environment environment;
  {
    Queue queue(entry(fair(), true), store, environment);
    for (const char* body : {"a1", "a2", "a3", "b1"}) {
      queue.publish(message(body, {.persistent = true, .tenant = amqp::FieldValue(std::string(body, 1))}));
    }
  }
  Queue queue(entry(fair(), true), store, environment);
  queue.recover();
  Delivery delivery;
  Bodies bodies;
  for (std::uint32_t remaining = 0; queue.get(true, delivery, remaining);)
    bodies.emplace_back(delivery.message->body());
  CHECK(bodies == Bodies{"a1", "b1", "a2", "a3"});
}

TEST_CASE("turns do what lists of lists do") {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    FairTurns turns;
    std::vector<std::pair<std::string, std::vector<Position>>> model;  // In turn.
    std::map<Position, std::string> out;
    Position last = 0;
    const auto put = [&](const std::string& key, Position at) {
      auto found = std::find_if(model.begin(), model.end(), [&](const auto& each) { return each.first == key; });
      if (found == model.end()) found = model.insert(model.end(), {key, {}});
      found->second.insert(std::lower_bound(found->second.begin(), found->second.end(), at), at);
    };
    for (int step = 0; step < 300; ++step) {
      const unsigned what = random() % 11;
      if (what < 4) {
        const std::string key = "key " + std::to_string(random() % 6);
        turns.push(key, ++last);
        put(key, last);
      } else if (what < 6 && !out.empty()) {
        auto back = std::next(out.begin(), static_cast<std::ptrdiff_t>(random() % out.size()));
        turns.push_back_again(back->second, back->first);
        put(back->second, back->first);
        out.erase(back);
      } else if (what < 9 && !model.empty()) {
        auto first = std::move(model.front());
        model.erase(model.begin());
        const Position at = first.second.front();
        REQUIRE(turns.next() == at);
        turns.take_next();
        out[at] = first.first;
        first.second.erase(first.second.begin());
        if (!first.second.empty()) model.push_back(std::move(first));
      } else if (what == 9 && !model.empty()) {
        auto& first = model.front();
        turns.drop_next();
        out[first.second.front()] = first.first;
        first.second.erase(first.second.begin());
        if (first.second.empty()) model.erase(model.begin());
      } else if (!model.empty()) {
        auto oldest = std::min_element(model.begin(), model.end(), [](const auto& a, const auto& b) {
          return a.second.front() < b.second.front();
        });
        const Position at = oldest->second.front();
        REQUIRE(turns.oldest() == at);
        turns.take_oldest();
        out[at] = oldest->first;
        oldest->second.erase(oldest->second.begin());
        if (oldest->second.empty()) model.erase(oldest);
      }
      REQUIRE(turns.keys() == model.size());
      REQUIRE(turns.empty() == model.empty());
      std::size_t positions = 0;
      turns.each_run([&](Position begin, Position end) { positions += end - begin; });
      std::size_t expected = 0;
      for (const auto& each : model) expected += each.second.size();
      REQUIRE(positions == expected);
    }
  }
}

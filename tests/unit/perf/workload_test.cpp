#include "perf/workload.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::perf;
using Catch::Contains;

namespace {

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> all;
  std::stringstream stream(text);
  for (std::string word; std::getline(stream, word, '.');) all.push_back(word);
  return all;
}

// AMQP's rule, as short as it can be said.
bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& key, std::size_t p = 0,
             std::size_t k = 0) {
  if (p == pattern.size()) return k == key.size();
  if (pattern[p] == "#") {
    for (std::size_t skip = k; skip <= key.size(); ++skip) {
      if (matches(pattern, key, p + 1, skip)) return true;
    }
    return false;
  }
  return k < key.size() && (pattern[p] == "*" || pattern[p] == key[k]) && matches(pattern, key, p + 1, k + 1);
}

}  // namespace

TEST_CASE("Each topic key matches its own binding and no other") {
  for (unsigned key = 0; key < 60; ++key) {
    for (unsigned binding = 0; binding < 60; ++binding) {
      INFO(topic_key(key) << " against " << topic_pattern(binding));
      CHECK(matches(words(topic_pattern(binding)), words(topic_key(key))) == (key == binding));
    }
  }
}

TEST_CASE("With more keys than bindings each key matches one binding still") {
  Workload w;
  w.exchange = ExchangeKind::topic;
  w.bindings = 7;
  w.keys = 60;
  const std::vector<Route> routes = routes_of(w, 0);
  std::set<std::string> keys;
  std::map<unsigned, unsigned> matched;
  for (const Route& route : routes) {
    keys.insert(route.key);
    unsigned matches_of_key = 0;
    for (unsigned binding = 0; binding < w.bindings; ++binding) {
      if (!matches(words(topic_pattern(binding)), words(route.key))) continue;
      ++matches_of_key;
      ++matched[binding];
    }
    INFO(route.key);
    CHECK(matches_of_key == 1);
  }
  CHECK(keys.size() == 60);
  CHECK(matched.size() == 7);
  w.keys = 6;
  CHECK_FALSE(check(w));
  w.keys = 60;
  w.exchange = ExchangeKind::direct;
  CHECK_FALSE(check(w));
}

TEST_CASE("A producer goes through every key of a topic workload once a round") {
  for (const unsigned bindings : {1u, 7u, 49u, 1000u}) {
    Workload w;
    w.exchange = ExchangeKind::topic;
    w.bindings = bindings;
    w.queues = 10;
    std::set<std::string> keys;
    for (const Route& route : routes_of(w, 3)) {
      CHECK(route.exchange == "wherry-perf-x");
      keys.insert(route.key);
    }
    CHECK(keys.size() == bindings);
    CHECK(bindings_of(w).size() == bindings);
  }
}

TEST_CASE("Queues are shared out among the producers of the default exchange") {
  Workload w;
  w.producers = 2;
  w.queues = 5;
  CHECK(routes_of(w, 0) == std::vector<Route>{{"", "wherry-perf-q0"}, {"", "wherry-perf-q2"}, {"", "wherry-perf-q4"}});
  CHECK(routes_of(w, 1) == std::vector<Route>{{"", "wherry-perf-q1"}, {"", "wherry-perf-q3"}});
  w.queues = 1;
  CHECK(routes_of(w, 1) == std::vector<Route>{{"", "wherry-perf-q0"}});
  CHECK(bindings_of(w).empty());
}

TEST_CASE("A fan-out delivers a copy to every queue") {
  Workload w;
  w.exchange = ExchangeKind::fanout;
  w.queues = 10;
  CHECK(w.copies() == 10);
  CHECK(bindings_of(w).size() == 10);
  CHECK(routes_of(w, 0).size() == 1);
}

TEST_CASE("A workload that would hang or not fit is refused before it runs") {
  Workload w;
  CHECK(check(w));
  w.ack = AckMode::multiple;
  w.ack_every = 20;
  w.prefetch = 10;
  CHECK_THAT(check(w).error().message, Contains("--ack-every 20 is above --prefetch 10"));

  Workload none;
  none.producers = none.consumers = 0;
  CHECK_THAT(check(none).error().message, Contains("nothing to measure"));

  Workload held;
  held.ack = AckMode::multiple;
  held.ack_every = 100;
  held.in_flight = 10;
  CHECK(check(held));  // Deliveries are what the cap counts, not acks.

  Workload large;
  large.exchange = ExchangeKind::topic;
  large.size_bytes = 1 << 20;
  CHECK_THAT(check(large).error().message, Contains("1000 routing keys"));

  Workload stampless;
  stampless.rate = 100;
  stampless.size_bytes = 4;
  CHECK_THAT(check(stampless).error().message, Contains("8 bytes at least"));
}

TEST_CASE("A workload says what it does in one line") {
  Workload w;
  w.size_bytes = 1024;
  w.persistent = true;
  w.confirm_window = 1000;
  w.ack = AckMode::each;
  w.prefetch = 100;
  CHECK(w.describe() ==
        "1 producer, 1 consumer, 1 queue, 1024 B persistent, confirm window 1000, ack each, prefetch 100");
}

TEST_CASE("Queue arguments are numbers, booleans or texts") {
  amqp::Table table;
  REQUIRE(add_argument(table, "x-max-length=1000"));
  REQUIRE(add_argument(table, "x-queue-type=quorum"));
  REQUIRE(add_argument(table, "x-single-active-consumer=true"));
  std::int64_t number = 0;
  bool flag = false;
  CHECK((table.integer("x-max-length", number) && number == 1000));
  CHECK((table.boolean("x-single-active-consumer", flag) && flag));
  REQUIRE(table.string("x-queue-type"));
  CHECK(*table.string("x-queue-type") == "quorum");
  CHECK_FALSE(add_argument(table, "x-max-length"));
  CHECK_FALSE(add_argument(table, "=5"));
}

// x-consistent-hash and x-random.
#include <map>

#include <catch2/catch.hpp>

#include "tests/unit/broker/routing/topology.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

constexpr int keys = 10'000;

std::string key(int i) {
  return "key-" + std::to_string(i);
}

// The one queue that each of the keys reaches.
std::vector<std::string> owners(Topology& vhost, const std::string& exchange = "x") {
  std::vector<std::string> all;
  for (int i = 0; i < keys; ++i) {
    Names reached = vhost.reached(exchange, key(i));
    REQUIRE(reached.size() == 1);
    all.push_back(reached[0]);
  }
  return all;
}

std::map<std::string, int> shares(const std::vector<std::string>& owners) {
  std::map<std::string, int> counts;
  for (const std::string& owner : owners) ++counts[owner];
  return counts;
}

struct Hashed : Topology {
  explicit Hashed(amqp::Table arguments = {}) { exchange("x", "x-consistent-hash", std::move(arguments)); }
  void add(const std::string& name, const std::string& weight = "1") {
    if (!find_queue(name, 1)) queue(name);
    bind_queue("x", name, weight);
  }
};

std::string with(amqp::Properties properties) {
  return amqp::encode_properties(properties);
}

}  // namespace

TEST_CASE("consistent hash: each key goes to one queue, always the same, in shares by weight") {
  Hashed vhost;
  CHECK(vhost.reached("x", "k") == Names{});
  vhost.add("a");
  vhost.add("b", "2");
  vhost.add("c", "+7");
  const auto first = owners(vhost);
  CHECK(owners(vhost) == first);
  auto counts = shares(first);
  CHECK(counts["a"] == Approx(keys * 0.1).margin(keys * 0.02));
  CHECK(counts["b"] == Approx(keys * 0.2).margin(keys * 0.02));
  CHECK(counts["c"] == Approx(keys * 0.7).margin(keys * 0.02));
}

TEST_CASE(
    "consistent hash: a queue that comes takes its share from all, one that goes leaves the others what they had") {
  Hashed vhost;
  for (int i = 0; i < 9; ++i) vhost.add("q" + std::to_string(i));
  const auto before = owners(vhost);
  vhost.add("new");
  const auto with_new = owners(vhost);
  int moved = 0;
  for (int i = 0; i < keys; ++i) {
    if (with_new[i] == before[i]) continue;
    ++moved;
    CHECK(with_new[i] == "new");
  }
  CHECK(moved == Approx(keys / 10).margin(keys * 0.02));
  vhost.remove_queue(vhost.find_queue("new", 1).value());
  CHECK(owners(vhost) == before);
  vhost.remove_queue(vhost.find_queue("q4", 1).value());
  const auto without = owners(vhost);
  for (int i = 0; i < keys; ++i) {
    if (before[i] != "q4") CHECK(without[i] == before[i]);
  }
  for (const auto& queue : vhost.queues()) vhost.remove_queue(queue);
  CHECK(vhost.reached("x", "k") == Names{});
}

TEST_CASE("consistent hash: neither the order of the bindings nor bindings that were there once change anything") {
  Hashed one, other;
  for (const char* name : {"a", "b", "c", "d"}) one.add(name);
  for (const char* name : {"d", "x", "b", "a", "c"}) other.add(name);
  must(other.unbind(Topology::binding("x", "x", "1"), 1));
  CHECK(owners(one) == owners(other));
}

TEST_CASE("consistent hash: a queue that is bound twice counts once, with its greater weight") {
  Hashed once, twice;
  once.add("a", "3");
  once.add("b");
  twice.add("a", "1");
  twice.add("a", "3");
  twice.add("b");
  const auto expected = owners(once);
  CHECK(owners(twice) == expected);
  must(twice.unbind(Topology::binding("x", "a", "1"), 1));
  CHECK(owners(twice) == expected);
  twice.add("a", "1");
  must(twice.unbind(Topology::binding("x", "a", "3"), 1));
  CHECK(shares(owners(twice))["a"] == Approx(keys / 2).margin(keys * 0.03));
}

TEST_CASE("consistent hash: the key may be a header or a property") {
  auto spread = [](Topology& vhost, const std::function<std::string(int)>& properties) {
    std::map<std::string, int> counts;
    for (int i = 0; i < 400; ++i) {
      // The routing key says nothing then.
      Names reached = vhost.reached("x", key(i), properties(i));
      REQUIRE(reached.size() == 1);
      CHECK(vhost.reached("x", "other", properties(i)) == reached);
      ++counts[reached[0]];
    }
    return counts;
  };
  auto even = [](const std::map<std::string, int>& counts) {
    return counts.size() == 2 && counts.begin()->second > 120 && counts.rbegin()->second > 120;
  };
  SECTION("a header, of any type") {
    Hashed vhost(table({{"hash-header", "id"}}));
    vhost.add("a");
    vhost.add("b");
    CHECK(even(spread(vhost, [](int i) { return with_headers(table({{"id", "v" + std::to_string(i)}})); })));
    CHECK(even(spread(vhost, [](int i) { return with_headers(table({{"id", i}})); })));
    CHECK(spread(vhost, [](int i) { return with_headers(table({{"other", i}})); }).size() == 1);
    CHECK(spread(vhost, [](int) { return std::string(); }).size() == 1);
    CHECK_FALSE(vhost.routes_by_key_alone("x"));
  }
  SECTION("message_id") {
    Hashed vhost(table({{"hash-property", "message_id"}}));
    vhost.add("a");
    vhost.add("b");
    CHECK(even(spread(vhost, [](int i) { return with({.message_id = std::to_string(i)}); })));
    CHECK(spread(vhost, [](int i) { return with({.correlation_id = std::to_string(i)}); }).size() == 1);
  }
  SECTION("correlation_id") {
    Hashed vhost(table({{"hash-property", "correlation_id"}}));
    vhost.add("a");
    vhost.add("b");
    CHECK(even(spread(vhost, [](int i) { return with({.correlation_id = std::to_string(i)}); })));
  }
  SECTION("timestamp") {
    Hashed vhost(table({{"hash-property", "timestamp"}}));
    vhost.add("a");
    vhost.add("b");
    CHECK(even(spread(vhost, [](int i) { return with({.timestamp = 1'700'000'000u + unsigned(i)}); })));
  }
  SECTION("else the routing key, and routes may be kept") {
    Hashed vhost;
    CHECK(vhost.routes_by_key_alone("x"));
  }
}

TEST_CASE("consistent hash: exchanges may be bound, and it may stand behind a delay") {
  Hashed vhost;
  vhost.queue("a");
  vhost.queue("b");
  vhost.exchange("to a", "fanout");
  vhost.bind_queue("to a", "a", "");
  vhost.bind_exchange("x", "to a", "1");
  vhost.add("b");
  CHECK(shares(owners(vhost)).size() == 2);
  vhost.exchange("later", "x-delayed-message", table({{"x-delayed-type", "x-consistent-hash"}, {"hash-header", "id"}}));
  vhost.bind_queue("later", "a", "1");
  vhost.bind_queue("later", "b", "1");
  CHECK(refusal(vhost.bind(Topology::binding("later", "b", "k"), 1)).explanation ==
        "The binding key must be an integer: <<\"k\">>");
  std::map<std::string, int> counts;
  for (int i = 0; i < 100; ++i) ++counts[vhost.reached("later", "k", with_headers(table({{"id", i}}))).at(0)];
  CHECK(counts.size() == 2);
}

TEST_CASE("consistent hash: what is no weight and no key is refused") {
  Hashed vhost;
  vhost.queue("q");
  const std::pair<const char*, const char*> bad[] = {{"", "The binding key must be an integer: <<>>"},
                                                     {"x", "The binding key must be an integer: <<\"x\">>"},
                                                     {"1.5", "The binding key must be an integer: <<\"1.5\">>"},
                                                     {" 1", "The binding key must be an integer: <<\" 1\">>"},
                                                     {"-", "The binding key must be an integer: <<\"-\">>"},
                                                     {"0", "The binding key must be greater than 0"},
                                                     {"-1", "The binding key must be greater than 0"}};
  for (const auto& [weight, text] : bad) {
    const auto error = refusal(vhost.bind(Topology::binding("x", "q", weight), 1));
    CHECK(error.code == amqp::ReplyCode::precondition_failed);
    CHECK(error.explanation == text);
  }
  for (const char* weight : {"1", "+1", "01", "99999999999999999999999999"}) {
    CHECK(vhost.bind(Topology::binding("x", "q", weight), 1));
  }
  auto declare = [&](amqp::Table arguments) {
    return refusal(vhost.declare_exchange({.name = "y", .type = "x-consistent-hash", .arguments = std::move(arguments)},
                                          false))
        .explanation;
  };
  CHECK(declare(table({{"hash-header", "a"}, {"hash-property", "message_id"}})) ==
        "hash-header and hash-property are mutually exclusive");
  CHECK(declare(table({{"hash-property", "app_id"}})) == "Unsupported property: app_id");
  CHECK(declare(table({{"hash-property", 5}})) == "hash-property must be a string");
  CHECK(declare(table({{"hash-header", 5}})) == "hash-header must be a string");
}

TEST_CASE("random: each message to one of the destinations, all of them in turn of chance") {
  Topology vhost;
  vhost.exchange("x", "x-random");
  CHECK(vhost.reached("x", "k") == Names{});
  for (const char* name : {"a", "b", "c"}) {
    vhost.queue(name);
    vhost.bind_queue("x", name, "whatever");
  }
  CHECK_FALSE(vhost.routes_by_key_alone("x"));
  std::map<std::string, int> counts;
  for (int i = 0; i < 3000; ++i) {
    Names reached = vhost.reached("x", "k");
    REQUIRE(reached.size() == 1);
    ++counts[reached[0]];
  }
  for (const char* name : {"a", "b", "c"}) CHECK(counts[name] == Approx(1000).margin(200));
  vhost.remove_queue(vhost.find_queue("b", 1).value());
  for (int i = 0; i < 100; ++i) CHECK(vhost.reached("x", "k") != Names{"b"});
  vhost.exchange("later", "x-delayed-message", table({{"x-delayed-type", "x-random"}}));
  vhost.bind_queue("later", "a", "");
  CHECK(vhost.reached("later", "k") == Names{"a"});
}

TEST_CASE("an exchange is told from others behind its bindings to exchanges, as they come and go") {
  Topology vhost;
  vhost.exchange("x", "topic");
  vhost.exchange("middle", "fanout");
  vhost.exchange("chance", "x-random");
  vhost.bind_exchange("x", "middle", "a");
  vhost.bind_exchange("x", "middle", "b");
  CHECK(vhost.routes_by_key_alone("x"));
  vhost.bind_exchange("middle", "chance", "");
  CHECK_FALSE(vhost.routes_by_key_alone("x"));
  must(vhost.unbind(Topology::to_exchange("x", "middle", "a"), 1));
  CHECK_FALSE(vhost.routes_by_key_alone("x"));
  must(vhost.unbind(Topology::to_exchange("x", "middle", "b"), 1));
  CHECK(vhost.routes_by_key_alone("x"));
  vhost.bind_exchange("x", "middle", "a");
  CHECK_FALSE(vhost.routes_by_key_alone("x"));
  must(vhost.delete_exchange("chance", false));
  CHECK(vhost.routes_by_key_alone("x"));
  must(vhost.delete_exchange("middle", false));
  CHECK(vhost.routes_by_key_alone("x"));
}

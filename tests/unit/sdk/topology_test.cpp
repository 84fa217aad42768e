#include "sdk/link/topology.h"

#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "sdk/link/delay_levels.h"

using namespace wherry;
using namespace wherry::sdk;
using namespace std::chrono_literals;

namespace {

std::string type_of(const Declaration& what) {
  const amqp::FieldValue* type = std::get<QueueSpec>(what).arguments.find("x-queue-type");
  return type ? *type->get<std::string>() : "";
}

std::vector<std::string> words_of(const std::string& key) {
  std::vector<std::string> words(1);
  for (const char c : key) {
    if (c == '.') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

// Patterns as the levels have them: "#" stands last only.
bool fits(const std::string& pattern, const std::string& key) {
  const auto words = words_of(key);
  const auto wanted = words_of(pattern);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "#") return true;
    if (i >= words.size() || (wanted[i] != "*" && wanted[i] != words[i])) return false;
  }
  return words.size() == wanted.size();
}

// Carries a message through the levels: the seconds that queues keep it, and the bindings that let it out in the end.
struct Levels {
  std::map<std::string, QueueSpec> queues;
  std::vector<BindingSpec> bindings;
  std::int64_t kept_s = 0;
  std::multiset<std::string> reached = {};

  explicit Levels(std::vector<std::string> destinations) {
    for (const Declaration& each : delay_levels()) {
      if (auto* queue = std::get_if<QueueSpec>(&each)) queues[queue->name] = *queue;
      if (auto* binding = std::get_if<BindingSpec>(&each)) bindings.push_back(*binding);
    }
    for (const std::string& each : destinations) bindings.push_back(delay_binding(each));
  }

  void publish(const std::string& exchange, const std::string& key) {
    for (const BindingSpec& each : bindings) {
      if (each.source != exchange || !fits(each.routing_key, key)) continue;
      if (each.to_exchange) {
        publish(each.destination, key);
      } else if (auto at = queues.find(each.destination); at != queues.end()) {
        std::int64_t ttl_ms = 0;
        REQUIRE(at->second.arguments.integer("x-message-ttl", ttl_ms));
        kept_s += ttl_ms / 1000;
        publish(*at->second.arguments.find("x-dead-letter-exchange")->get<std::string>(), key);
      } else {
        reached.insert(each.destination);
      }
    }
  }
};

}  // namespace

TEST_CASE("durable queues become quorum queues, others and those that say their type stay", "[topology]") {
  QueueSpec classic{.name = "c"};
  classic.arguments.set("x-queue-type", std::string("classic"));
  Topology all{QueueSpec{.name = "d"},
               QueueSpec{.name = "t", .durable = false},
               QueueSpec{.name = "e", .exclusive = true},
               QueueSpec{.name = "a", .auto_delete = true},
               QueueSpec{.name = "p", .passive = true},
               classic};
  make_quorum_queues(all);
  CHECK(type_of(all[0]) == "quorum");
  for (std::size_t i = 1; i < 5; ++i) CHECK(type_of(all[i]).empty());
  CHECK(type_of(all[5]) == "classic");
}

TEST_CASE("a message is kept at the levels for its delay and comes out at its own queue alone", "[topology]") {
  for (const std::int64_t seconds : {1, 2, 3, 59, 3600, 86'401, (1 << 28) - 1}) {
    for (const std::string queue : {"b", "a.b", "celery"}) {
      Levels levels({"b", "a.b", "celery"});
      levels.publish(std::string(first_delay_exchange()), delay_routing_key(seconds, queue));
      CHECK(levels.kept_s == seconds);
      CHECK(levels.reached == std::multiset<std::string>{queue});
    }
  }
}

TEST_CASE("levels count whole seconds up to their limit", "[topology]") {
  CHECK(delay_seconds(999ms) == 0);
  CHECK(delay_seconds(1'999ms) == 1);
  CHECK(delay_seconds(24h * 365 * 20) == (1 << 28) - 1);
}

TEST_CASE("names that a topic exchange would not take as they are do not fit the levels", "[topology]") {
  CHECK(fits_delay_levels("a.b-c*d"));
  CHECK(fits_delay_levels(std::string(199, 'q')));
  CHECK_FALSE(fits_delay_levels(std::string(200, 'q')));
  for (const char* name : {"*", "#", "a.*", "#.b", "a.#.b"}) CHECK_FALSE(fits_delay_levels(name));
}

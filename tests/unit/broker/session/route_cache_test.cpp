#include "broker/session/route_cache.h"

#include <random>
#include <string>

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::broker;

namespace {

struct Topology {
  Topology() : vhost("/") {}

  void queue(const std::string& name) {
    vhost.write([&](Vhost& topology) {
      QueueSpec spec;
      spec.name = name;
      REQUIRE(topology.declare_queue(spec, 1, 0, false));
    });
  }
  void exchange(const std::string& name, const std::string& type) {
    vhost.write([&](Vhost& topology) {
      ExchangeSpec spec;
      spec.name = name;
      spec.type = type;
      REQUIRE(topology.declare_exchange(spec, false));
    });
  }
  void bind(const std::string& exchange, const std::string& queue, const std::string& key) {
    vhost.write([&](Vhost& topology) {
      REQUIRE(topology.bind({exchange, DestinationKind::queue, queue, key, {}}, 1));
    });
  }
  // The queue that the key reaches; empty: none.
  std::string reached(const std::string& exchange, const std::string& key) {
    const auto route = cache.find(vhost, exchange, key, {});
    REQUIRE(route);
    if (route->queues->empty()) return {};
    REQUIRE(route->queues->size() == 1);
    return route->queues->front()->spec.name;
  }

  SharedVhost vhost;
  RouteCache cache;
};

}  // namespace

TEST_CASE("routes: each key reaches its queue, however many there are and in whatever order they come") {
  const std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Topology topology;
  topology.exchange("x", "direct");
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "q" + std::to_string(i);
    topology.queue(name);
    topology.bind("x", name, "k" + std::to_string(i));
  }
  for (int step = 0; step < 30'000; ++step) {
    // Some keys often, most seldom.
    const std::string number = std::to_string(random() % (random() % 2 == 0 ? 10 : 3000));
    REQUIRE(topology.reached("x", "k" + number) == "q" + number);
    if (random() % 4 == 0) REQUIRE(topology.reached("", "q" + number) == "q" + number);
  }
}

TEST_CASE("routes: a change of the topology counts at once, for what is kept too") {
  Topology topology;
  topology.exchange("x", "direct");
  topology.queue("first");
  topology.queue("second");
  topology.bind("x", "first", "a");
  for (int i = 0; i < 3; ++i) {
    CHECK(topology.reached("x", "a") == "first");
    CHECK(topology.reached("x", "b").empty());
  }
  topology.bind("x", "second", "b");
  CHECK(topology.reached("x", "b") == "second");
  CHECK(topology.reached("x", "a") == "first");
}

TEST_CASE("routes: an exchange that looks at more than the key is asked every time") {
  Topology topology;
  topology.exchange("x", "x-random");
  topology.exchange("y", "direct");
  topology.queue("first");
  topology.queue("second");
  topology.bind("x", "first", "");
  topology.bind("x", "second", "");
  topology.bind("y", "first", "k");
  bool first = false, second = false;
  for (int i = 0; i < 10'000 && !(first && second); ++i) {
    const std::string queue = topology.reached("x", "k");
    first = first || queue == "first";
    second = second || queue == "second";
    REQUIRE(topology.reached("y", "k") == "first");
  }
  CHECK(first);
  CHECK(second);
}

TEST_CASE("routes: an exchange that is not there is an error, and nothing is kept of it") {
  Topology topology;
  CHECK_FALSE(topology.cache.find(topology.vhost, "x", "k", {}));
  CHECK_FALSE(topology.cache.find(topology.vhost, "x", "k", {}));
  topology.queue("first");
  CHECK(topology.reached("", "first") == "first");
  CHECK_FALSE(topology.cache.find(topology.vhost, "x", "k", {}));
  CHECK(topology.reached("", "first") == "first");
}

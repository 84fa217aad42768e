// bench-routing: what it costs to find where a message goes, by type of exchange and number of bindings, and what
// declaring and binding cost. No route is remembered: this is what a publish pays whose key is new to its channel.
//
//   bench-routing [BINDINGS...]     default: 10 1000 100000
//
// "same key": one key that three bindings match, whatever else is bound. "many keys": another key each time, each
// matching a binding of its own; what grows here are the processor's cache misses.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "broker/routing/vhost.h"
#include "protocol/amqp/properties.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

using Clock = std::chrono::steady_clock;

double nanoseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::nano>(Clock::now() - since).count();
}

template <class T>
void must(const AmqpResult<T>& result) {
  if (result) return;
  fmt::print(stderr, "bench-routing: {}\n", result.error().explanation);
  std::exit(1);
}

struct Case {
  const char* type;
  // The i-th binding of n that do not match the one key, and the key that matches it.
  std::function<BindingSpec(std::size_t i)> binding;
  std::function<std::string(std::size_t i)> key;
  std::vector<std::string> matching;  // Binding keys that match the one key.
  std::string same_key;
};

BindingSpec bind_to(std::string queue, std::string key, amqp::Table arguments = {}) {
  return {"x", DestinationKind::queue, std::move(queue), std::move(key), std::move(arguments)};
}

// Nanoseconds for one routing: the best of twenty rounds of at least 10 ms each, so that others on the machine count
// little.
double measure(const Vhost& vhost, const std::vector<std::string>& keys, const std::vector<std::string>& properties) {
  std::vector<QueueEntryRef> reached;
  std::size_t at = 0, found = 0;
  double best = 1e18;
  for (int round = 0; round < 20; ++round) {
    const auto begin = Clock::now();
    double spent = 0;
    std::size_t done = 0;
    while (spent < 10e6) {
      for (int i = 0; i < 100; ++i, ++at, ++done) {
        reached.clear();
        // As a publish whose route is not remembered asks.
        (void)vhost.routes_by_key_alone("x");
        must(vhost.route("x", keys[at % keys.size()], properties[at % properties.size()], reached));
        found += reached.size();
      }
      spent = nanoseconds(begin);
    }
    best = std::min(best, spent / static_cast<double>(done));
  }
  if (found == 0) fmt::print(stderr, "bench-routing: nothing was reached\n");
  return best;
}

void run(const Case& one, std::size_t bindings) {
  Vhost vhost("/");
  must(vhost.declare_exchange({.name = "x", .type = one.type, .arguments = {}}, false));
  must(vhost.declare_exchange({.name = "further", .type = "fanout", .arguments = {}}, false));
  const std::size_t queues = std::min<std::size_t>(bindings, 1000);
  auto begin = Clock::now();
  for (std::size_t i = 0; i < queues; ++i)
    must(vhost.declare_queue({.name = fmt::format("q{}", i), .arguments = {}}, 1, 0, false));
  const double declaring = nanoseconds(begin) / static_cast<double>(queues);
  begin = Clock::now();
  for (std::size_t i = 0; i < bindings; ++i) must(vhost.bind(one.binding(i), 1));
  const double binding = nanoseconds(begin) / static_cast<double>(bindings);
  for (const std::string& key : one.matching) must(vhost.bind(bind_to("q0", key), 1));
  // One to an exchange, which must not make all of them be looked at.
  must(vhost.bind({"x", DestinationKind::exchange, "further", one.matching.empty() ? "1" : one.matching[0], {}}, 1));

  std::vector<std::string> keys, properties;
  for (std::size_t i = 0; i < std::min<std::size_t>(bindings, 10'000); ++i) {
    const std::size_t spread = i * (bindings / std::min<std::size_t>(bindings, 10'000));
    keys.push_back(one.key(spread));
    amqp::Properties made;
    made.headers.emplace().set("number", static_cast<std::int64_t>(spread));
    properties.push_back(amqp::encode_properties(made));
  }
  const double same = measure(vhost, {one.same_key}, {properties[0]});
  const double many = measure(vhost, keys, properties);
  fmt::print("{:<18} {:>8} {:>10.0f} {:>10.0f} {:>12.2f} {:>12.2f}\n", one.type, bindings, same, many, declaring / 1000,
             binding / 1000);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::size_t> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(std::max<std::size_t>(1, std::strtoull(argv[i], nullptr, 10)));
  if (sizes.empty()) sizes = {10, 1000, 100'000};

  const auto queue_of = [](std::size_t i) { return fmt::format("q{}", i % 1000); };
  std::vector<Case> cases;
  // Words, stars and hashes in all places.
  cases.push_back({"topic",
                   [&](std::size_t i) {
                     const std::string patterns[] = {fmt::format("shop{}.orders.eu.created", i),
                                                     fmt::format("shop{}.*.eu.*", i), fmt::format("*.orders.{}.#", i),
                                                     fmt::format("shop{}.#", i), fmt::format("#.unit{}", i)};
                     return bind_to(queue_of(i), patterns[i % 5]);
                   },
                   [](std::size_t i) {
                     const std::string keys[] = {fmt::format("shop{}.orders.eu.created", i),
                                                 fmt::format("shop{}.x.eu.y", i), fmt::format("z.orders.{}.a.b", i),
                                                 fmt::format("shop{}.a.b.c", i), fmt::format("a.b.c.unit{}", i)};
                     return keys[i % 5];
                   },
                   {"metrics.cpu.host.load", "metrics.*.host.*", "metrics.#"},
                   "metrics.cpu.host.load"});
  cases.push_back({"direct",
                   [&](std::size_t i) { return bind_to(queue_of(i), fmt::format("key{}", i)); },
                   [](std::size_t i) { return fmt::format("key{}", i); },
                   {"same"},
                   "same"});
  cases.push_back({"headers",
                   [&](std::size_t i) {
                     amqp::Table wanted;
                     wanted.set("number", static_cast<std::int64_t>(i));
                     return bind_to(queue_of(i), "", std::move(wanted));
                   },
                   [](std::size_t) { return std::string(); },
                   {},
                   ""});

  fmt::print("{:<18} {:>8} {:>10} {:>10} {:>12} {:>12}\n", "type", "bindings", "same key", "many keys", "a declare",
             "a bind");
  fmt::print("{:<18} {:>8} {:>10} {:>10} {:>12} {:>12}\n", "", "", "ns", "ns", "us", "us");
  for (const Case& one : cases) {
    for (const std::size_t bindings : sizes) {
      if (std::string_view(one.type) == "headers" && bindings > 10'000) continue;
      run(one, bindings);
    }
  }
  // These grow with the destinations, of which there are few.
  Case hashed{"x-consistent-hash",
              [](std::size_t i) { return bind_to(fmt::format("q{}", i), "1"); },
              [](std::size_t i) { return fmt::format("key{}", i); },
              {},
              "same"};
  for (const std::size_t bindings : sizes) {
    if (bindings <= 1000) run(hashed, bindings);
  }
}

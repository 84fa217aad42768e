// sim-broker: seeded sequences of operations against a model of queues; see broker_run.h and seeds.h.
#include <array>
#include <memory>

#include <fmt/format.h>

#include "tests/sim/broker_run.h"
#include "tests/sim/seeds.h"

using namespace wherry::broker;

int main(int argc, char** argv) {
  std::array<std::unique_ptr<test::World>, 2> worlds;
  sim::BrokerCounts sum;
  const auto one = [&](std::uint64_t seed, bool verbose) {
    std::unique_ptr<test::World>& world = worlds[seed % 2];
    if (!world) world = std::make_unique<test::World>(seed % 2 == 0 ? 1 : 2);
    try {
      const sim::BrokerCounts counts = sim::run_broker(*world, seed, verbose);
      sum.operations += counts.operations;
      sum.deliveries += counts.deliveries;
    } catch (...) {
      // What it left is nobody else's.
      world.reset();
      throw;
    }
  };
  return sim::run_seeds(argc, argv, one,
                        [&] { return fmt::format("{} operations, {} deliveries", sum.operations, sum.deliveries); });
}

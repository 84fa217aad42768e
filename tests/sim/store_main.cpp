// sim-store: seeded power cuts; see store_run.h and seeds.h.
#include <fmt/format.h>

#include "tests/sim/seeds.h"
#include "tests/sim/store_run.h"

using namespace wherry::broker::sim;

int main(int argc, char** argv) {
  RunCounts sum;
  const auto one = [&](std::uint64_t seed, bool verbose) {
    const RunCounts counts = run({.seed = seed, .verbose = verbose});
    sum.crashes += counts.crashes;
    sum.published += counts.published;
    sum.moved += counts.moved;
    sum.recovered += counts.recovered;
    sum.damaged += counts.damaged;
  };
  return run_seeds(argc, argv, one, [&] {
    return fmt::format("{} power cuts, {} messages published, {} found again, {} segments, {} damages reported",
                       sum.crashes, sum.published, sum.recovered, sum.moved, sum.damaged);
  });
}

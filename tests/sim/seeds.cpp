#include "tests/sim/seeds.h"

#include <chrono>
#include <cstring>
#include <exception>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "base/log.h"

namespace wherry::broker::sim {

namespace {

struct Asked {
  std::uint64_t seconds = 10;
  std::uint64_t seeds = 0;
  std::uint64_t from = std::random_device()() * std::uint64_t{1'000'000};
  bool one = false;
};

std::optional<Asked> asked(int argc, char** argv) {
  Asked asked;
  for (int n = 1; n < argc; n += 2) {
    if (n + 1 == argc) return std::nullopt;
    const std::uint64_t value = std::strtoull(argv[n + 1], nullptr, 10);
    if (std::strcmp(argv[n], "--seconds") == 0) {
      asked.seconds = value;
    } else if (std::strcmp(argv[n], "--seeds") == 0) {
      asked.seeds = value;
    } else if (std::strcmp(argv[n], "--from") == 0 || std::strcmp(argv[n], "--seed") == 0) {
      asked.from = value;
      asked.one = argv[n][2] == 's';
    } else {
      return std::nullopt;
    }
  }
  return asked;
}

}  // namespace

int run_seeds(int argc, char** argv, const std::function<void(std::uint64_t, bool)>& one,
              const std::function<std::string()>& told) {
  const std::optional<Asked> wanted = asked(argc, argv);
  if (!wanted) {
    fmt::print(stderr,
               "{0} [--seconds S | --seeds N] [--from X]   new seeds, from X or from a random one (10 seconds)\n"
               "{0} --seed X                               that seed alone, saying what it does\n",
               argv[0]);
    return 2;
  }
  const auto passes = [&](std::uint64_t seed, bool verbose) {
    try {
      one(seed, verbose);
      return true;
    } catch (const std::exception& error) {
      fmt::print(stderr, "seed {}: {}\n", seed, error.what());
      return false;
    }
  };
  if (wanted->one) return passes(wanted->from, true) ? 0 : 1;
  // What the broker says of damage and lost clients is expected, and is shown for a single seed only.
  log::set_level(log::Level::off);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(wanted->seconds);
  const std::uint64_t last = wanted->seeds > 0 ? wanted->from + wanted->seeds : UINT64_MAX;
  unsigned passed = 0;
  unsigned failed = 0;
  for (std::uint64_t seed = wanted->from; seed < last && failed < 5; ++seed) {
    if (wanted->seeds == 0 && std::chrono::steady_clock::now() >= end) break;
    ++(passes(seed, false) ? passed : failed);
  }
  fmt::print("seeds from {}: {}\n{} passed, {} failed\n", wanted->from, told(), passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace wherry::broker::sim

// run_seeds: the command line that all simulations share.
//
//   PROGRAM [--seconds S | --seeds N] [--from X]   new seeds, from X or from a random one (10 seconds)
//   PROGRAM --seed X                               that seed alone, saying what it does
//
// one: plays a seed; a std::exception is its failure, printed with the seed. told: a line for the end. Returns the exit
// status: 0 when all passed, 1 when one failed (it stops at the fifth), 2 for a wrong command line. Prints at the end
// how many passed and failed, as tests are counted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace wherry::broker::sim {

int run_seeds(int argc, char** argv, const std::function<void(std::uint64_t seed, bool verbose)>& one,
              const std::function<std::string()>& told);

}  // namespace wherry::broker::sim

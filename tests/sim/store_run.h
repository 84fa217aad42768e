// One seeded run of queues on a DiskStore on a disk that loses its power, again and again.
//
// Several queues (plain, with priorities, with a delivery limit) share a store with budgets so small that messages move
// to segments and segments are rewritten all the time. Publishing (one queue or several, persistent or not, small
// bodies and now and then a large one), getting, acknowledging, requeueing, discarding, purging and deleting go on in a
// random order with the log's and the segments' threads played by hand; at a random operation of the disk the power
// goes. What is found then is held against a ledger:
//   every confirmed message that nobody settled is there, once, in order;
//   nothing is there that was not published to that queue, nor what was settled when a later confirm came;
//   the count of deliveries is none that never was.
// In some runs a bit of a file is flipped as well: what is lost then was reported.
//
// Errors: a std::runtime_error that says what was wrong. The same seed does the same.
#pragma once

#include <cstdint>

namespace wherry::broker::sim {

struct RunOptions {
  std::uint64_t seed = 1;
  bool verbose = false;  // Says what it does, on standard error.
};

struct RunCounts {
  std::uint64_t crashes = 0;
  std::uint64_t published = 0;
  std::uint64_t moved = 0;      // Segments written.
  std::uint64_t recovered = 0;  // Messages found after crashes.
  std::uint64_t damaged = 0;    // Damage that was reported.
};

RunCounts run(const RunOptions& options);

}  // namespace wherry::broker::sim

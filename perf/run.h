// One run of a workload: connects, publishes and consumes until the time or the count is reached, waits for what is
// outstanding, and says what was measured. Throughput, latency, filling and draining are all this one loop.
//
//   Result<RunResult> result = run_workload(workload, endpoint, watch, display);
//
// The topology is expected to be there (topology.h). One thread and one epoll: publishing writes large parts of a
// prepared round, consuming counts frames; both together cost a fraction of a microsecond for a message.
// A paced run sends each message at its time, late or not: the time in its body is when it was due, so a broker that
// stalls is charged for every message that had to wait.
// Errors: what cannot be set up. What goes wrong later ends the run and is in RunResult::failure with what was measured
// so far. Ctrl-C is no failure: interrupted. Threads: one at a time.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "perf/live.h"
#include "perf/process_stats.h"
#include "perf/totals.h"
#include "perf/workload.h"
#include "sdk/endpoint/endpoint.h"

namespace wherry::perf {

// The counts at one moment, several in a second.
struct Moment {
  double at_s = 0;
  std::uint64_t published = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t delivered = 0;
  std::uint64_t memory_kb = 0;  // Only where RunOptions::watch_memory.
};

struct RunResult {
  Totals totals;
  std::string broker;  // As it calls itself.
  double seconds = 0;  // Until all was confirmed and delivered.
  double published_per_s = 0;
  double confirmed_per_s = 0;
  double delivered_per_s = 0;
  std::uint64_t most_in_flight = 0;
  double blocked_s = 0;  // How long connection.blocked held all producers.
  bool interrupted = false;
  std::string failure;  // Empty: everything arrived.
  Usage usage;
  std::vector<Moment> moments;
};

struct RunOptions {
  bool watch_memory = false;  // Samples the memory of the watched processes all the time: for runs that fill queues.
};

Result<RunResult> run_workload(const Workload& workload, const sdk::Endpoint& endpoint, const ProcessWatch& watch,
                               Live& live, RunOptions options = {});

}  // namespace wherry::perf

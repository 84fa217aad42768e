// The command line of wherry-perf: a subcommand, and the options that it takes.
//
// Errors are one sentence, name the nearest right word and end with how to get help. Threads: plain functions.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "perf/workload.h"
#include "sdk/endpoint/endpoint.h"

namespace wherry::perf {

enum class Command { throughput, latency, ping, backlog, connections, declares };

// What every command has.
struct Common {
  sdk::Endpoint endpoint;
  std::vector<int> pids;  // The broker's processes, when it runs on this machine.
  std::string label;      // Taken into the JSON.
  std::string svg;        // A file to write a picture to; empty: none.
  bool json = false;
  bool quiet = false;  // No live line.
};

struct BacklogPlan {
  bool fill = true;
  bool drain = true;
  bool await = false;    // Instead of both: wait until the queues hold the count, as after a restart.
  double settle_s = 1;   // Between the fill and its memory being read.
  std::string data_dir;  // Its size on disk is reported; empty: not.
};

struct ConnectionsPlan {
  unsigned idle = 2000;  // Open at once; 0: that part is left out.
  double hold_s = 3;
  unsigned churn = 2000;  // Opened and closed again; 0: left out.
  unsigned parallel = 4;  // So many at once.
};

enum class QueueKind { durable, transient, exclusive };
struct DeclaresPlan {
  std::uint64_t count = 5000;
  std::uint64_t outstanding = 100;  // 1: each is awaited.
  QueueKind kind = QueueKind::durable;
  std::string prefix = "wherry-perf";
};

struct Options {
  Command command = Command::throughput;
  Common common;
  Workload workload;
  std::vector<double> rates;  // Of latency: one run each.
  BacklogPlan backlog;
  ConnectionsPlan connections;
  DeclaresPlan declares;
  std::string answer;  // What to print instead of running: help or version.
};

Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace wherry::perf

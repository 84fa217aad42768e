// The command line of wherry-worker. It wins over the environment, that over worker.yaml, that over defaults.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace wherry::worker {

struct Options {
  std::optional<std::string> config;
  std::optional<std::string> app;
  std::optional<std::string> broker;
  std::optional<std::string> result_backend;
  std::vector<std::string> load;
  std::vector<std::string> queues;
  std::optional<unsigned> concurrency;
  std::optional<unsigned> prefetch;
  std::optional<std::string> name;
  std::optional<std::pair<unsigned, unsigned>> autoscale;  // Max, min.
  std::optional<std::string> pool;                         // "threads" or "processes".
  std::optional<unsigned> max_tasks_per_child;
  bool task_events = false;
  std::optional<std::string> statedb;
  std::optional<std::string> log_level;
  std::optional<std::string> log_format;
  std::optional<std::string> metrics;  // HOST:PORT
  std::optional<std::string> outbox;   // The database's URL.
  std::string outbox_table = "wherry_outbox";
  std::optional<std::string> schedule;
  bool print_effective = false;  // The settings, instead of running.
  bool schedule_only = false;    // No pool, no queues.
  std::optional<unsigned> next;  // Print so many ticks of each entry instead of running.
  // What to print instead of running: help or version.
  std::string answer;
};

// Errors are one sentence and end with how to get help.
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace wherry::worker

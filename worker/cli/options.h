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
  std::vector<std::string> load;
  std::vector<std::string> queues;
  std::optional<unsigned> concurrency;
  std::optional<unsigned> prefetch;
  std::optional<std::string> name;
  std::optional<std::string> log_level;
  // What to print instead of running: help or version.
  std::string answer;
};

// Errors are one sentence and end with how to get help.
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace wherry::worker

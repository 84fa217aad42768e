// The command line of wherry-broker. It wins over the environment, that over the configuration file, that over
// defaults.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace wherry::broker {

struct Options {
  std::optional<std::string> config;
  std::optional<std::string> data_dir;
  std::optional<std::string> amqp;
  std::optional<unsigned> shards;
  std::optional<std::string> log_level;
  // What to print instead of running: help or version.
  std::string answer;
};

// Errors are one sentence and end with how to get help.
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace wherry::broker

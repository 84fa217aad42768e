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
  std::optional<std::string> amqps;
  std::optional<std::string> management;
  std::optional<std::string> metrics;
  std::optional<unsigned> shards;
  std::optional<std::string> durability;
  std::optional<std::string> memory_high_watermark;
  std::optional<std::string> disk_free_limit;
  std::optional<std::string> log_level;
  std::optional<std::string> log_format;
  bool print_effective = false;  // The settings, instead of running.
  // What to print instead of running: help or version.
  std::string answer;
};

// Errors are one sentence and end with how to get help.
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace wherry::broker

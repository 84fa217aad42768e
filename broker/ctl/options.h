// wherryctl's command line.
//
//   auto options = parse_options(argc, argv);   // an error's message goes to standard error, exit status 2
//
// Threads: any.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace wherry::broker::ctl {

enum class Command { verify, dump, stats, repair };

struct Options {
  std::string answer;  // To print, and nothing else: help or version.
  Command command = Command::verify;
  std::optional<std::string> data_dir;
  bool json = false;
  bool quiet = false;  // No bar.
  // dump
  std::optional<std::string> queue;
  std::optional<std::uint64_t> limit;
  bool bodies = false;
  bool records = false;
  // repair
  bool dry_run = false;
};
Result<Options> parse_options(int argc, const char* const* argv);

}  // namespace wherry::broker::ctl

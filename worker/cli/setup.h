// What the command line and the files say together: read when the program starts, and again on SIGHUP.
//
// Threads: plain functions and data.
#pragma once

#include <optional>

#include "base/result.h"
#include "wherry/worker.h"
#include "worker/cli/options.h"
#include "worker/schedule/settings.h"
#include "worker/settings/worker_settings.h"

namespace wherry::worker {

struct Setup {
  WorkerSettings settings;
  WorkerOptions options;
  std::optional<schedule::Settings> schedule;
};

// Errors: every mistake of the files, one a line, "FILE:LINE:COLUMN: text"; or what is wrong with an option.
Result<Setup> read_setup(const Options& options);

// What read_setup() would come to, as YAML: worker.yaml, app.yaml and schedule.yaml, each a document of its own, with
// where each value is from. Passwords are hidden. Errors: likewise.
Result<std::string> effective_settings(const Options& options);

// The log's level and format are in use from then on.
void take_log_settings(const WorkerSettings& settings);

}  // namespace wherry::worker

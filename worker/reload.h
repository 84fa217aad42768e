// What of new settings a running worker cannot take: named for the log, so that an operator knows to restart it.
//
// Threads: plain functions.
#pragma once

#include <string>
#include <vector>

#include "wherry/worker.h"
#include "worker/settings/worker_settings.h"

namespace wherry::worker {

// In the words of the files' keys; empty when nothing needs a restart. Values are not shown: some hold passwords.
std::vector<std::string> wants_restart(const WorkerSettings& settings, const WorkerOptions& options,
                                       const WorkerSettings& new_settings, const WorkerOptions& new_options);

// "a\nb" as one line of the log each, behind the same words.
void log_mistakes(const std::string& what, const std::string& mistakes);

}  // namespace wherry::worker

// The schedule's part of the command line: what wherry-worker does with --schedule-only and --next.
#pragma once

#include <string>

#include "base/clock.h"
#include "wherry/scheduler.h"
#include "worker/cli/setup.h"

namespace wherry::worker {

// The next ticks of each entry, one a line: entry, UTC, and as its zone's clocks show it.
std::string upcoming_ticks(const schedule::Settings& settings, unsigned count, WallTime now);

// Runs the setup's schedule, which it has, until SIGTERM, SIGINT or SIGQUIT; prints one line when the broker has let it
// in. SIGHUP reads what options name again. Returns the exit code: 0, or 2 when the broker does not let it in. Throws
// ClientError.
int run_scheduler(Setup setup, const Options& options);

// Reads the schedule and app.yaml again; mistakes are logged, and nothing changes. options name a schedule.
void reload_scheduler(const Options& options, Scheduler& scheduler);

}  // namespace wherry::worker

// The commands of wherry-perf: each prepares, runs, reports and cleans up.
//
// What they print goes to standard output: text for a person, or with --json one line for each run; pictures into the
// file of --svg. Errors: what made a run impossible, or what it failed by (its figures are printed before). Ctrl-C is
// no error. Threads: one at a time.
#pragma once

#include "base/result.h"
#include "perf/json_line.h"
#include "perf/options.h"
#include "perf/run.h"

namespace wherry::perf {

// Throughput, latency and ping.
Result<void> run_messages(const Options& options);
Result<void> run_backlog(const Options& options);
Result<void> run_connections(const Options& options);
Result<void> run_declares(const Options& options);

// --- shared by them
// ---------------------------------------------------------------------------------------------------

// Prints the run: text, or the line when JSON was asked for, with the label in it.
void print(const Common& common, const std::string& text, JsonLine line);
// Writes the picture when one was asked for.
Result<void> write_picture(const Common& common, const std::string& picture);

// The queues of a workload for as long as they are needed: declared by prepare(), removed at the end, also after an
// error or Ctrl-C, when the broker still lets us.
class Stage {
 public:
  Stage(const Common& common, const Workload& workload) : common_(common), workload_(workload) {}
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  Result<void> prepare();
  void keep() { remove_ = false; }
  void remove() { remove_ = true; }

 private:
  const Common& common_;
  const Workload& workload_;
  bool remove_ = false;
};

}  // namespace wherry::perf

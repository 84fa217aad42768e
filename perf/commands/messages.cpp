#include <filesystem>

#include <fmt/format.h>

#include "perf/commands/commands.h"
#include "perf/interrupt.h"
#include "perf/report.h"
#include "perf/svg.h"

namespace wherry::perf {

namespace {

const char* name_of(Command command) {
  if (command == Command::latency) return "latency";
  return command == Command::ping ? "ping" : "throughput";
}

std::string picture(const Options& options, const Workload& workload, const RunResult& result) {
  if (options.command == Command::throughput) return rate_picture("throughput", workload, result);
  return svg::latency_chart(fmt::format("{}: {}", name_of(options.command), result.broker), workload.describe(),
                            result.totals.end_to_end);
}

// Several rates, several pictures: "latency.svg" becomes "latency-5000.svg".
Common with_picture_of(Common common, const Options& options, const Workload& workload) {
  if (options.rates.size() < 2 || common.svg.empty()) return common;
  std::filesystem::path path(common.svg);
  path.replace_filename(fmt::format("{}-{:g}{}", path.stem().string(), workload.rate, path.extension().string()));
  common.svg = path.string();
  return common;
}

Result<void> run_one(const Options& options, const Workload& workload, const ProcessWatch& watch) {
  Stage stage(options.common, workload);
  if (auto ready = stage.prepare(); !ready) return ready;
  Live live(!options.common.quiet);
  auto result = run_workload(workload, options.common.endpoint, watch, live);
  if (!result) return tl::unexpected(result.error());
  const char* name = name_of(options.command);
  JsonLine line = json_of(name, workload, *result);
  if (workload.rate > 0) line.number("rate", workload.rate);
  print(options.common, text_of(name, workload, *result), std::move(line));
  const Common common = with_picture_of(options.common, options, workload);
  if (auto drawn = write_picture(common, picture(options, workload, *result)); !drawn) return drawn;
  if (!result->failure.empty()) return fail(result->failure);
  return {};
}

}  // namespace

Result<void> run_messages(const Options& options) {
  auto watch = ProcessWatch::of(options.common.pids);
  if (!watch) return tl::unexpected(watch.error());
  Workload workload = options.workload;
  if (options.rates.empty()) return run_one(options, workload, *watch);
  for (const double rate : options.rates) {
    workload.rate = rate;
    if (auto done = run_one(options, workload, *watch); !done || interrupted()) return done;
  }
  return {};
}

}  // namespace wherry::perf

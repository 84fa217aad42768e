#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <sys/stat.h>

#include "perf/clock.h"
#include "perf/commands/commands.h"
#include "perf/interrupt.h"
#include "perf/report.h"
#include "perf/svg.h"
#include "perf/topology.h"

namespace wherry::perf {

namespace {

constexpr double gone_after_s = 5;

// The blocks that the files of a directory occupy: files written with holes or in advance count as the disk does.
std::uint64_t disk_bytes(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code ignored;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (Walk at(directory, ignored), end; at != end; at.increment(ignored)) {
    struct stat status {};
    if (::lstat(at->path().c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    if (ignored) break;
  }
  return bytes;
}

class Backlog {
 public:
  Backlog(const Options& options, ProcessWatch watch)
      : options_(options), watch_(std::move(watch)), live_(!options.common.quiet) {}

  Result<void> operator()() {
    const BacklogPlan& plan = options_.backlog;
    Workload workload = options_.workload;
    Stage stage(options_.common, workload);
    if (plan.await) return await(workload);
    Result<void> done;
    if (plan.fill) {
      if (done = stage.prepare(); !done) return done;
      done = fill(workload);
    }
    if (plan.drain && done && !interrupted()) done = drain(workload);
    if (plan.drain) {
      stage.remove();
    } else if (done) {
      stage.keep();
    }
    if (auto drawn = write_picture(options_.common, picture()); !drawn) return drawn;
    return done;
  }

 private:
  Result<void> fill(Workload workload) {
    workload.consumers = 0;
    const ProcessSample before = watch_.sample();
    const std::uint64_t disk_before = disk_bytes(options_.backlog.data_dir);
    auto result = run_workload(workload, options_.common.endpoint, watch_, live_, {.watch_memory = watch_.watches()});
    if (!result) return tl::unexpected(result.error());
    sleep_for(options_.backlog.settle_s);
    const ProcessSample after = watch_.sample();
    const double bodies = static_cast<double>(result->totals.published) * static_cast<double>(workload.size_bytes);

    JsonLine line = json_of("backlog", workload, *result);
    line.text("phase", "fill");
    std::string text = text_of("backlog, filling", workload, *result);
    if (before.valid && after.valid) {
      const double grown = (static_cast<double>(after.memory_kb) - static_cast<double>(before.memory_kb)) / 1024;
      line.number("memory_grown_mib", grown).number("memory_settled_mib", static_cast<double>(after.memory_kb) / 1024);
      text += fmt::format("  {:<12} {:>11.1f} MiB more memory, {:.0f} bytes for each message\n", "backlog", grown,
                          grown * 1048576 / static_cast<double>(std::max<std::uint64_t>(result->totals.published, 1)));
    }
    if (!options_.backlog.data_dir.empty()) {
      const std::uint64_t disk_after = disk_bytes(options_.backlog.data_dir);
      const double disk = static_cast<double>(disk_after) - static_cast<double>(disk_before);
      line.number("disk_grown_mib", disk / 1048576).number("disk_for_bodies", bodies > 0 ? disk / bodies : 0);
      text += fmt::format("  {:<12} {:>11.1f} MiB more on disk, {:.2f} times the bodies\n", "", disk / 1048576,
                          bodies > 0 ? disk / bodies : 0);
    }
    return report("filling", text, line, *result);
  }

  Result<void> drain(Workload workload) {
    workload.producers = 0;
    workload.confirm_window = 0;
    auto connection = Connection::open(options_.common.endpoint);
    if (!connection) return tl::unexpected(connection.error());
    auto ready = messages_ready(**connection, workload);
    if (!ready) return fail("the queues are not there; fill them with --phase fill: " + ready.error().message);
    (*connection)->close();
    if (*ready == 0) return fail("the queues are empty: there is nothing to drain");
    workload.count = *ready;
    auto result = run_workload(workload, options_.common.endpoint, watch_, live_, {.watch_memory = watch_.watches()});
    if (!result) return tl::unexpected(result.error());
    JsonLine line = json_of("backlog", workload, *result);
    line.text("phase", "drain");
    return report("draining", text_of("backlog, draining", workload, *result), line, *result);
  }

  // After a restart: when the port accepts, and when every message is there again.
  Result<void> await(const Workload& workload) {
    const std::uint64_t began = now_ns();
    double accepted_s = -1;
    std::string last;
    std::uint64_t seen = 0;
    std::uint64_t missing_since = 0;
    for (std::uint64_t came = began; !interrupted();) {
      auto connection = Connection::open(options_.common.endpoint);
      if (connection) {
        if (accepted_s < 0) accepted_s = seconds_between(began, now_ns());
        if (auto ready = messages_ready(**connection, workload)) {
          if (*ready != seen) came = now_ns();
          seen = *ready;
          if (seen == workload.count) break;
          last = fmt::format("there are {} of {} messages", seen, workload.count);
        } else {
          // It lets clients in and does not know the queue: what is not back soon is gone.
          last = ready.error().message;
          if (missing_since == 0) missing_since = now_ns();
          if (seconds_between(missing_since, now_ns()) > gone_after_s) return fail(last);
        }
        (*connection)->close();
      } else {
        last = connection.error().message;
      }
      live_.show(fmt::format("{:6.1f} s  {}", seconds_between(began, now_ns()), last));
      if (seconds_between(came, now_ns()) > workload.drain_limit_s) return fail(last);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    live_.clear();
    const double ready_s = seconds_between(began, now_ns());
    const ProcessSample sample = watch_.sample();
    JsonLine line;
    line.text("command", "backlog").text("phase", "await").count("messages", seen);
    line.number("accepted_s", accepted_s).number("ready_s", ready_s);
    if (sample.valid) line.number("memory_mib", static_cast<double>(sample.memory_kb) / 1024);
    line.flag("interrupted", interrupted());
    print(options_.common,
          fmt::format("backlog, awaiting\n  {:<12} {:>11.3f} s\n  {:<12} {:>11.3f} s  {} messages\n", "accepted",
                      accepted_s, "all there", ready_s, with_commas(seen)),
          std::move(line));
    return {};
  }

  Result<void> report(const char* phase, const std::string& text, const JsonLine& line, const RunResult& result) {
    print(options_.common, text, line);
    svg::Line memory{fmt::format("{}: memory", phase), {}};
    svg::Line messages{phase, {}};
    for (const Moment& at : result.moments) {
      memory.points.emplace_back(offset_s_ + at.at_s, static_cast<double>(at.memory_kb) / 1024);
      messages.points.emplace_back(offset_s_ + at.at_s, static_cast<double>(at.published + at.delivered));
    }
    offset_s_ += result.seconds;
    lines_.push_back(watch_.watches() ? std::move(memory) : std::move(messages));
    broker_ = result.broker;
    if (!result.failure.empty()) return fail(result.failure);
    return {};
  }

  std::string picture() const {
    svg::Chart chart;
    chart.title = fmt::format("backlog: {}", broker_);
    chart.subtitle = options_.workload.describe();
    chart.x_label = "seconds";
    chart.y_label = watch_.watches() ? "MiB of memory" : "messages";
    chart.lines = lines_;
    return svg::line_chart(chart);
  }

  const Options& options_;
  const ProcessWatch watch_;
  Live live_;
  std::vector<svg::Line> lines_;
  double offset_s_ = 0;
  std::string broker_;
};

}  // namespace

Result<void> run_backlog(const Options& options) {
  auto watch = ProcessWatch::of(options.common.pids);
  if (!watch) return tl::unexpected(watch.error());
  return Backlog(options, std::move(*watch))();
}

}  // namespace wherry::perf

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "perf/clock.h"
#include "perf/commands/commands.h"
#include "perf/connection.h"
#include "perf/interrupt.h"
#include "perf/report.h"
#include "perf/svg.h"

namespace wherry::perf {

namespace {

constexpr std::uint64_t live_every = 50;  // Connections.

double kib_more(const ProcessSample& before, const ProcessSample& after) {
  return static_cast<double>(after.memory_kb) - static_cast<double>(before.memory_kb);
}

Result<void> measure_idle(const Options& options, const ProcessWatch& watch, Live& live) {
  const ConnectionsPlan& plan = options.connections;
  std::vector<std::unique_ptr<Connection>> open;
  Meter meter(watch);
  meter.start();
  const std::uint64_t began = now_ns();
  for (unsigned i = 0; i < plan.idle && !interrupted(); ++i) {
    auto connection = Connection::open(options.common.endpoint);
    if (!connection) {
      if (interrupted()) break;
      return fail(fmt::format("connection {} of {}: {}", i + 1, plan.idle, connection.error().message));
    }
    open.push_back(std::move(*connection));
    if (i % live_every == 0) live.show(fmt::format("opening connections: {} of {}", i + 1, plan.idle));
  }
  const double opened_s = seconds_between(began, now_ns());
  const Usage opening = meter.stop();
  live.show(fmt::format("holding {} connections for {:g} s", open.size(), plan.hold_s));
  sleep_for(plan.hold_s / 2);
  Meter idle_meter(watch);
  idle_meter.start();
  sleep_for(plan.hold_s / 2);
  const Usage idle = idle_meter.stop();
  const std::string broker = open.empty() ? "" : open.front()->product();
  const double count = static_cast<double>(std::max<std::size_t>(open.size(), 1));
  live.show(fmt::format("closing {} connections", open.size()));
  for (auto& connection : open) connection->close();
  live.clear();

  JsonLine line;
  line.text("command", "connections").text("part", "idle").text("broker", broker).count("connections", open.size());
  line.number("opened_per_s", opened_s > 0 ? count / opened_s : 0);
  std::string text =
      fmt::format("connections, idle, {}: {} with a channel each\n  {:<12} {:>11.0f}/s, one after the other\n", broker,
                  with_commas(open.size()), "opened", count / opened_s);
  if (opening.before.valid && idle.after.valid) {
    const double each = kib_more(opening.before, idle.after) / count;
    line.number("memory_kib_per_connection", each).number("idle_cores", idle.cores());
    text +=
        fmt::format("  {:<12} {:>11.1f} KiB each; {:.3f} cores while nothing happens\n", "memory", each, idle.cores());
  }
  add_usage(line, opening, count, "connection");
  text += usage_text(opening, count, "connection");
  line.flag("interrupted", interrupted());
  print(options.common, text, std::move(line));
  return {};
}

// Opens and closes connections until there were enough; called by several threads at once.
struct Churn {
  const Options& options;
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> finished{0};
  std::mutex mutex;
  Histogram cycles;  // Under the mutex, as is the next.
  std::string failure;
  std::string broker;

  void work() {
    Histogram own;
    while (!interrupted() && begun.fetch_add(1) < options.connections.churn) {
      const std::uint64_t from = now_ns();
      auto connection = Connection::open(options.common.endpoint);
      if (!connection) {
        const std::lock_guard lock(mutex);
        if (failure.empty()) failure = connection.error().message;
        break;
      }
      (*connection)->close();
      own.add(now_ns() - from);
      if (finished.fetch_add(1) == 0) {
        const std::lock_guard lock(mutex);
        broker = (*connection)->product();
      }
    }
    const std::lock_guard lock(mutex);
    cycles.merge(own);
  }
};

Result<void> measure_churn(const Options& options, const ProcessWatch& watch, Live& live) {
  const ConnectionsPlan& plan = options.connections;
  Churn churn{options};
  Meter meter(watch);
  meter.start();
  const std::uint64_t began = now_ns();
  std::atomic<unsigned> working{plan.parallel};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < plan.parallel; ++i) {
    threads.emplace_back([&] {
      churn.work();
      --working;
    });
  }
  while (live.on() && working > 0) {
    live.show(fmt::format("connections opened and closed: {} of {}", churn.finished.load(), plan.churn));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  for (std::thread& thread : threads) thread.join();
  live.clear();
  const double seconds = seconds_between(began, now_ns());
  const Usage usage = meter.stop();
  const auto count = static_cast<double>(churn.finished.load());

  JsonLine line;
  line.text("command", "connections").text("part", "churn").text("broker", churn.broker);
  line.count("connections", churn.finished).count("parallel", plan.parallel).number("seconds", seconds);
  line.number("connections_per_s", seconds > 0 ? count / seconds : 0);
  add_usage(line, usage, count, "connection");
  add_latency(line, "cycle", churn.cycles);
  line.flag("interrupted", interrupted());
  const std::string text = fmt::format("connections, churn, {}: opened with a channel and closed, {} at a time\n",
                                       churn.broker, plan.parallel) +
                           fmt::format("  {:<12} {:>11.0f}/s  {} connections\n", "churn",
                                       seconds > 0 ? count / seconds : 0, with_commas(churn.finished)) +
                           latency_text("cycle", churn.cycles) + usage_text(usage, count, "connection");
  if (!churn.failure.empty() && !interrupted()) line.text("error", churn.failure);
  print(options.common, text, std::move(line));
  const std::string title = fmt::format("connections opened and closed: {}", churn.broker);
  const std::string subtitle = fmt::format("{} at a time", plan.parallel);
  if (auto drawn = write_picture(options.common, svg::latency_chart(title, subtitle, churn.cycles)); !drawn)
    return drawn;
  if (!churn.failure.empty() && !interrupted()) return fail(churn.failure);
  return {};
}

}  // namespace

Result<void> run_connections(const Options& options) {
  auto watch = ProcessWatch::of(options.common.pids);
  if (!watch) return tl::unexpected(watch.error());
  Live live(!options.common.quiet);
  if (options.connections.idle > 0) {
    if (auto done = measure_idle(options, *watch, live); !done || interrupted()) return done;
  }
  if (options.connections.churn > 0) return measure_churn(options, *watch, live);
  return {};
}

}  // namespace wherry::perf

#include <chrono>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "perf/clock.h"
#include "perf/commands/commands.h"
#include "perf/connection.h"
#include "perf/interrupt.h"
#include "perf/report.h"
#include "perf/svg.h"

namespace wherry::perf {

namespace {

constexpr double settle_s = 1;
constexpr double point_every_s = 0.1;
constexpr double live_every_s = 0.2;

const char* name_of(QueueKind kind) {
  if (kind == QueueKind::transient) return "transient";
  return kind == QueueKind::exclusive ? "exclusive" : "durable";
}

// Told of every answer: shows how it goes, keeps the rates for the picture, and stops on Ctrl-C.
class Progress {
 public:
  Progress(Live& live, const char* what, std::uint64_t count) : live_(live), what_(what), count_(count) {}
  bool operator()(std::uint64_t done) {
    const double at = seconds_between(began_, now_ns());
    if (at >= last_point_s_ + point_every_s) {
      rates.emplace_back(at, static_cast<double>(done - last_done_) / (at - last_point_s_));
      last_point_s_ = at;
      last_done_ = done;
    }
    if (at >= last_live_s_ + live_every_s) {
      live_.show(fmt::format("{}: {} of {} queues", what_, done, count_));
      last_live_s_ = at;
    }
    return !interrupted();
  }
  std::vector<std::pair<double, double>> rates;

 private:
  Live& live_;
  const char* what_;
  std::uint64_t count_;
  std::uint64_t began_ = now_ns();
  double last_point_s_ = 0;
  double last_live_s_ = 0;
  std::uint64_t last_done_ = 0;
};

class Declares {
 public:
  Declares(const Options& options, const ProcessWatch& watch)
      : options_(options), plan_(options.declares), watch_(watch), live_(!options.common.quiet) {}

  Result<void> operator()() {
    auto connection = Connection::open(options_.common.endpoint);
    if (!connection) return tl::unexpected(connection.error());
    connection_ = std::move(*connection);
    Meter meter(watch_);
    meter.start();
    Progress declaring(live_, "declaring", plan_.count);
    const std::uint64_t began = now_ns();
    auto declared = declare(declaring);
    if (!declared) return tl::unexpected(declared.error());
    const double declare_s = seconds_between(began, now_ns());
    const Usage usage = meter.stop();
    std::this_thread::sleep_for(std::chrono::duration<double>(watch_.watches() ? settle_s : 0));
    const ProcessSample settled = watch_.sample();

    Progress deleting(live_, "deleting", *declared);
    const std::uint64_t from = now_ns();
    // Also after Ctrl-C: what was declared does not stay.
    auto deleted = remove(*declared, deleting);
    const double delete_s = seconds_between(from, now_ns());
    live_.clear();
    if (!deleted) return tl::unexpected(deleted.error());
    const std::string broker = connection_->product();
    connection_->close();
    return report(broker, *declared, declare_s, delete_s, usage, settled, {declaring.rates, deleting.rates});
  }

 private:
  using Rates = std::vector<std::pair<double, double>>;

  std::string queue(std::uint64_t index) const { return fmt::format("{}-d{}", plan_.prefix, index); }

  Result<std::uint64_t> declare(Progress& progress) {
    const auto append = [this](std::string& out, std::uint64_t index) {
      const std::string name = queue(index);
      amqp::QueueDeclare declare;
      declare.queue = name;
      declare.durable = plan_.kind == QueueKind::durable;
      declare.exclusive = plan_.kind == QueueKind::exclusive;
      append_method(out, channel_number, declare);
    };
    return connection_->pipelined(plan_.count, plan_.outstanding, amqp::QueueDeclare::name, amqp::QueueDeclareOk::id,
                                  append, std::ref(progress));
  }

  Result<std::uint64_t> remove(std::uint64_t count, Progress& progress) {
    const auto append = [this](std::string& out, std::uint64_t index) {
      const std::string name = queue(index);
      amqp::QueueDelete remove;
      remove.queue = name;
      append_method(out, channel_number, remove);
    };
    const auto go_on = [&progress](std::uint64_t done) {
      progress(done);
      return true;
    };
    return connection_->pipelined(count, plan_.outstanding, amqp::QueueDelete::name, amqp::QueueDeleteOk::id, append,
                                  go_on);
  }

  Result<void> report(const std::string& broker, std::uint64_t declared, double declare_s, double delete_s,
                      const Usage& usage, const ProcessSample& settled, std::pair<Rates, Rates> rates) {
    const auto count = static_cast<double>(declared);
    JsonLine line;
    line.text("command", "declares").text("broker", broker).text("kind", name_of(plan_.kind));
    line.count("queues", declared).count("outstanding", plan_.outstanding);
    line.number("declares_per_s", count / declare_s).number("deletes_per_s", count / delete_s);
    std::string text =
        fmt::format("declares, {}: {} {} queues, {}\n", broker, with_commas(declared), name_of(plan_.kind),
                    plan_.outstanding == 1 ? "one by one" : fmt::format("{} outstanding", plan_.outstanding));
    text += fmt::format("  {:<12} {:>11.0f}/s\n  {:<12} {:>11.0f}/s\n", "declared", count / declare_s, "deleted",
                        count / delete_s);
    if (usage.before.valid && settled.valid && declared > 0) {
      const double each =
          (static_cast<double>(settled.memory_kb) - static_cast<double>(usage.before.memory_kb)) / count;
      line.number("memory_kib_per_queue", each);
      text += fmt::format("  {:<12} {:>11.2f} KiB each\n", "memory", each);
    }
    add_usage(line, usage, count, "declare");
    line.flag("interrupted", interrupted());
    print(options_.common, text + usage_text(usage, count, "declare"), std::move(line));

    svg::Chart chart;
    chart.title = fmt::format("declares: {}", broker);
    chart.subtitle = fmt::format("{} {} queues, {} outstanding", declared, name_of(plan_.kind), plan_.outstanding);
    chart.x_label = "seconds";
    chart.y_label = "queues/s";
    chart.lines = {{"declared", std::move(rates.first)}, {"deleted", std::move(rates.second)}};
    return write_picture(options_.common, svg::line_chart(chart));
  }

  const Options& options_;
  const DeclaresPlan& plan_;
  const ProcessWatch& watch_;
  Live live_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace

Result<void> run_declares(const Options& options) {
  auto watch = ProcessWatch::of(options.common.pids);
  if (!watch) return tl::unexpected(watch.error());
  return Declares(options, *watch)();
}

}  // namespace wherry::perf

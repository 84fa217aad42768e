#include "perf/report.h"

#include <algorithm>

#include <fmt/format.h>

#include "perf/svg.h"

namespace wherry::perf {

namespace {

constexpr double mib_of_kb = 1.0 / 1024;

struct Quantile {
  const char* key;
  const char* name;
  double share;
};
constexpr Quantile quantiles[] = {
    {"p50", "p50", 0.5}, {"p90", "p90", 0.9}, {"p99", "p99", 0.99}, {"p999", "p99.9", 0.999}, {"max", "max", 1}};

double us(std::uint64_t ns) {
  return static_cast<double>(ns) / 1000;
}

double messages_of(const Workload& workload, const RunResult& result) {
  return static_cast<double>(workload.producers > 0 ? result.totals.published : result.totals.delivered);
}

std::string per_second(double rate) {
  return with_commas(static_cast<std::uint64_t>(rate + 0.5));
}

std::string row(std::string_view name, std::string_view text) {
  return fmt::format("  {:<12} {}\n", name, text);
}

std::string count_row(std::string_view name, double rate, std::uint64_t count) {
  return row(name, fmt::format("{:>11}/s  {} messages", per_second(rate), with_commas(count)));
}

}  // namespace

void add_usage(JsonLine& line, const Usage& usage, double units, std::string_view unit) {
  if (usage.before.valid) {
    if (units > 0) line.number(fmt::format("cpu_us_per_{}", unit), usage.cpu_us() / units);
    line.number("cpu_cores", usage.cores()).number("kernel_share", usage.kernel_share());
    line.number("memory_mib", static_cast<double>(usage.after.memory_kb) * mib_of_kb);
    line.number("memory_anonymous_mib", static_cast<double>(usage.after.anonymous_kb) * mib_of_kb);
    line.number("memory_peak_mib", static_cast<double>(usage.after.peak_kb) * mib_of_kb);
    line.number("memory_before_mib", static_cast<double>(usage.before.memory_kb) * mib_of_kb);
    line.number("disk_written_mib", usage.written_mib());
    line.count("threads", static_cast<std::uint64_t>(usage.after.threads));
  }
  if (units > 0) line.number(fmt::format("own_cpu_us_per_{}", unit), usage.own_us / units);
  line.number("own_cores", usage.wall_us > 0 ? usage.own_us / usage.wall_us : 0);
  line.number("other_cores", usage.other_cores).number("stolen_share", usage.stolen_share);
}

std::string usage_text(const Usage& usage, double units, std::string_view unit) {
  std::string text;
  const auto each = [&](double cpu_us) {
    return units > 0 ? fmt::format("{:>11.3g} µs/{}, ", cpu_us / units, unit) : std::string();
  };
  if (usage.before.valid) {
    text += row("broker", fmt::format("{}{:.2f} cores ({:.0f} % in the kernel), memory {:.1f} MiB, at most {:.1f}",
                                      each(usage.cpu_us()), usage.cores(), 100 * usage.kernel_share(),
                                      static_cast<double>(usage.after.memory_kb) * mib_of_kb,
                                      static_cast<double>(usage.after.peak_kb) * mib_of_kb));
  }
  text += row("wherry-perf",
              fmt::format("{}{:.2f} cores", each(usage.own_us), usage.wall_us > 0 ? usage.own_us / usage.wall_us : 0));
  if (usage.before.valid && usage.other_cores > 0.25) {
    text += row("caution", fmt::format("other programs used {:.1f} cores meanwhile", usage.other_cores));
  }
  if (usage.stolen_share > 0.05) {
    text += row("caution", fmt::format("the host took {:.0f} % of this machine's time", 100 * usage.stolen_share));
  }
  return text;
}

void add_latency(JsonLine& line, std::string_view name, const Histogram& latencies) {
  if (latencies.count() == 0) return;
  for (const Quantile& q : quantiles)
    line.number(fmt::format("{}_{}_us", name, q.key), us(latencies.quantile(q.share)));
}

std::string latency_text(std::string_view name, const Histogram& latencies) {
  if (latencies.count() == 0) return "";
  std::string text;
  for (const Quantile& q : quantiles) {
    const double value = us(latencies.quantile(q.share));
    text += fmt::format("{}{} {:.{}f}", text.empty() ? "" : "  ", q.name, value, value < 100 ? 1 : 0);
  }
  return row(name, text + " µs");
}

JsonLine json_of(std::string_view command, const Workload& workload, const RunResult& result) {
  const Totals& totals = result.totals;
  JsonLine line;
  line.text("command", command).text("broker", result.broker).text("workload", workload.describe());
  line.count("published", totals.published);
  if (workload.confirm_window > 0) line.count("confirmed", totals.confirmed).count("refused", totals.refused);
  line.count("returned", totals.returned);
  line.count("delivered", totals.delivered).number("seconds", result.seconds);
  line.number("published_per_s", result.published_per_s);
  if (workload.confirm_window > 0) line.number("confirmed_per_s", result.confirmed_per_s);
  line.number("delivered_per_s", result.delivered_per_s);
  line.count("most_in_flight", result.most_in_flight).number("blocked_s", result.blocked_s);
  add_usage(line, result.usage, messages_of(workload, result), "message");
  if (result.usage.before.valid && workload.copies() > 1 && totals.delivered > 0) {
    line.number("cpu_us_per_delivery", result.usage.cpu_us() / static_cast<double>(totals.delivered));
  }
  add_latency(line, "end_to_end", totals.end_to_end);
  add_latency(line, "confirm", totals.confirming);
  add_latency(line, "late", totals.late);
  line.flag("interrupted", result.interrupted);
  if (!result.failure.empty()) line.text("error", result.failure);
  return line;
}

std::string text_of(std::string_view command, const Workload& workload, const RunResult& result) {
  const Totals& totals = result.totals;
  std::string text = fmt::format("{}, {}: {}\n", command, result.broker, workload.describe());
  if (workload.producers > 0) text += count_row("published", result.published_per_s, totals.published);
  if (workload.confirm_window > 0) text += count_row("confirmed", result.confirmed_per_s, totals.confirmed);
  if (workload.consumers > 0) text += count_row("delivered", result.delivered_per_s, totals.delivered);
  if (totals.refused > 0) text += row("refused", with_commas(totals.refused) + " messages (basic.nack)");
  if (totals.returned > 0) text += row("returned", with_commas(totals.returned) + " messages (no queue)");
  text += latency_text("end to end", totals.end_to_end);
  text += latency_text("confirm", totals.confirming);
  // Above a millisecond it is this program, or a machine without time for it, that is measured.
  if (totals.late.quantile(0.99) > 1'000'000) {
    text +=
        row("caution", fmt::format("wherry-perf itself was late by {:.0f} µs (p99)", us(totals.late.quantile(0.99))));
  }
  text += usage_text(result.usage, messages_of(workload, result), "message");
  if (totals.ever_blocked) {
    text += row("blocked", fmt::format("{:.1f} s by the broker: {}", result.blocked_s, totals.block_reason));
  }
  if (result.interrupted) text += row("interrupted", fmt::format("after {:.1f} s", result.seconds));
  return text;
}

std::string rate_picture(std::string_view command, const Workload& workload, const RunResult& result) {
  svg::Chart chart;
  chart.title = fmt::format("{}: {}", command, result.broker);
  chart.subtitle = workload.describe();
  chart.x_label = "seconds";
  chart.y_label = "messages/s";
  // Each point is the mean of a fiftieth of the run, or of the distance of two moments.
  const double least = std::max(result.seconds / 50, 0.1);
  svg::Line published{"published", {}};
  svg::Line delivered{"delivered", {}};
  const Moment* before = nullptr;
  for (const Moment& at : result.moments) {
    if (before == nullptr) {
      before = &at;
      continue;
    }
    const double span = at.at_s - before->at_s;
    const bool last = &at == &result.moments.back();
    if (span <= 0 || (span < least * 0.99 && !(last && published.points.empty()))) continue;
    // Steps: a rate is that of a span of time, and a run of one span is drawn as well.
    for (const double end : {before->at_s, at.at_s}) {
      published.points.emplace_back(end, static_cast<double>(at.published - before->published) / span);
      delivered.points.emplace_back(end, static_cast<double>(at.delivered - before->delivered) / span);
    }
    before = &at;
  }
  if (workload.producers > 0) chart.lines.push_back(std::move(published));
  if (workload.consumers > 0) chart.lines.push_back(std::move(delivered));
  return svg::line_chart(chart);
}

}  // namespace wherry::perf

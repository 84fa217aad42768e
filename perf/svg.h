// Pictures of a run as SVG text that every browser shows: lines over time, and the distribution of latencies.
//
//   svg::Chart chart{.title = "throughput", .y_label = "messages/s", .lines = {{"published", points}}};
//   std::ofstream("run.svg") << svg::line_chart(chart);
//
// No library: axes with round steps, a legend, readable in light and dark viewers (it brings its own background).
// Text is escaped. Nothing to show gives a chart that says so. Threads: plain functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "perf/histogram.h"

namespace wherry::perf::svg {

struct Line {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

struct Chart {
  std::string title;
  std::string subtitle;
  std::string x_label;
  std::string y_label;
  std::vector<Line> lines;  // Up to five are told apart by colour.
};
// Both axes begin at 0.
std::string line_chart(const Chart& chart);

// Nanoseconds, on a logarithmic axis of microseconds; marks p50, p99, p99.9 and the maximum.
std::string latency_chart(std::string_view title, std::string_view subtitle, const Histogram& latencies);

// "0", "250", "1.5k", "3M": the label of an axis.
std::string short_number(double value);
// A round step (1, 2 or 5 times a power of ten) that divides up to most into at most count parts.
double round_step(double most, int count);
std::string escaped(std::string_view text);

}  // namespace wherry::perf::svg

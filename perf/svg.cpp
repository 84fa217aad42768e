#include "perf/svg.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

namespace wherry::perf::svg {

namespace {

constexpr double width = 900, height = 460;
constexpr double left = 80, right = 870, top = 80, bottom = 400;
constexpr const char* colours[] = {"#1f6feb", "#d1711f", "#2a9d5c", "#8250df", "#c4314b"};
constexpr int bars_per_decade = 20;

std::string start(std::string_view title, std::string_view subtitle) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" height=\"{1:g}\" "
      "font-family=\"sans-serif\" font-size=\"13\">\n"
      "<rect width=\"{0:g}\" height=\"{1:g}\" fill=\"#ffffff\"/>\n"
      "<text x=\"{2:g}\" y=\"30\" font-size=\"18\" font-weight=\"bold\" fill=\"#222\">{3}</text>\n"
      "<text x=\"{2:g}\" y=\"50\" fill=\"#666\">{4}</text>\n",
      width, height, left, escaped(title), escaped(subtitle));
}

std::string text(double x, double y, std::string_view anchor, std::string_view what, std::string_view fill = "#444") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"{}\">{}</text>\n", x, y, anchor, fill,
                     escaped(what));
}

std::string stroke(double x1, double y1, double x2, double y2, std::string_view colour, std::string_view dash = "") {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{}/>\n", x1, y1, x2,
                     y2, colour, dash.empty() ? "" : fmt::format(" stroke-dasharray=\"{}\"", dash));
}

std::string y_axis(double most, double step, std::string_view label) {
  std::string out;
  for (double value = 0; value <= most * 1.0001; value += step) {
    const double y = bottom - (bottom - top) * value / most;
    out += stroke(left, y, right, y, "#e4e4e4");
    out += text(left - 8, y + 4, "end", short_number(value));
  }
  out += text(left, top - 10, "start", label, "#666");
  return out;
}

std::string nothing_to_show(std::string_view title, std::string_view subtitle) {
  return start(title, subtitle) + text(width / 2, height / 2, "middle", "nothing was measured") + "</svg>\n";
}

std::string polyline(const Line& line, const char* colour, double x_most, double y_most) {
  std::string points;
  for (const auto& [x, y] : line.points) {
    points += fmt::format("{:.1f},{:.1f} ", left + (right - left) * x / x_most, bottom - (bottom - top) * y / y_most);
  }
  return fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"2\" points=\"{}\"/>\n", colour, points);
}

std::string duration_text(double us) {
  if (us >= 1e6) return fmt::format("{:.3g} s", us / 1e6);
  if (us >= 1e3) return fmt::format("{:.3g} ms", us / 1e3);
  return fmt::format("{:.3g} µs", us);
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string short_number(double value) {
  if (value >= 1e9) return fmt::format("{:.3g}G", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
  if (value >= 1e3) return fmt::format("{:.3g}k", value / 1e3);
  return fmt::format("{:.3g}", value);
}

double round_step(double most, int count) {
  if (most <= 0) return 1;
  const double rough = most / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.9999) return factor * power;
  }
  return 10 * power;
}

std::string line_chart(const Chart& chart) {
  double x_most = 0, y_most = 0;
  for (const Line& line : chart.lines) {
    for (const auto& [x, y] : line.points) {
      x_most = std::max(x_most, x);
      y_most = std::max(y_most, y);
    }
  }
  if (x_most <= 0 || y_most <= 0) return nothing_to_show(chart.title, chart.subtitle);
  const double y_step = round_step(y_most, 6);
  y_most = std::ceil(y_most / y_step) * y_step;

  std::string out = start(chart.title, chart.subtitle) + y_axis(y_most, y_step, chart.y_label);
  const double x_step = round_step(x_most, 10);
  for (double value = 0; value <= x_most * 1.0001; value += x_step) {
    out += text(left + (right - left) * value / x_most, bottom + 18, "middle", short_number(value));
  }
  out += stroke(left, bottom, right, bottom, "#888");
  out += text((left + right) / 2, bottom + 42, "middle", chart.x_label, "#666");
  double legend = right;
  for (std::size_t i = chart.lines.size(); i-- > 0;) {
    const char* colour = colours[i % std::size(colours)];
    out += polyline(chart.lines[i], colour, x_most, y_most);
    out += text(legend, top - 10, "end", "● " + chart.lines[i].name, colour);
    legend -= 30 + 8 * static_cast<double>(chart.lines[i].name.size());
  }
  return out + "</svg>\n";
}

std::string latency_chart(std::string_view title, std::string_view subtitle, const Histogram& latencies) {
  if (latencies.count() == 0) return nothing_to_show(title, subtitle);
  // A bar is a twentieth of a decade of microseconds.
  const auto place = [](double ns) { return std::log10(std::max(ns, 1.0) / 1000) * bars_per_decade; };
  std::map<int, double> bars;
  for (const auto& bucket : latencies.buckets()) {
    const double middle = (static_cast<double>(bucket.first) + static_cast<double>(bucket.last)) / 2;
    bars[static_cast<int>(std::floor(place(middle)))] += static_cast<double>(bucket.count);
  }
  const auto decade = [](int bar, bool up) {
    const double decades = static_cast<double>(bar) / bars_per_decade;
    return static_cast<int>(up ? std::floor(decades) + 1 : std::floor(decades)) * bars_per_decade;
  };
  const int first = decade(bars.begin()->first, false);
  const int last = decade(bars.rbegin()->first, true);
  double most = 0;
  for (auto& [bar, count] : bars) {
    count = 100 * count / static_cast<double>(latencies.count());
    most = std::max(most, count);
  }
  const double step = round_step(most, 6);
  most = std::ceil(most / step) * step;
  const auto x_of = [&](double bar) { return left + (right - left) * (bar - first) / (last - first); };

  std::string out = start(title, subtitle) + y_axis(most, step, "% of the messages");
  for (const auto& [bar, percent] : bars) {
    const double rise = (bottom - top) * percent / most;
    out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n",
                       x_of(bar) + 0.5, bottom - rise, std::max(x_of(bar + 1) - x_of(bar) - 1, 1.0), rise, colours[0]);
  }
  out += stroke(left, bottom, right, bottom, "#888");
  for (int bar = first; bar <= last; bar += bars_per_decade) {
    out += text(x_of(bar), bottom + 18, "middle", duration_text(std::pow(10.0, bar / bars_per_decade)));
  }
  struct Mark {
    const char* name;
    double share;
  };
  double y = top + 4;
  for (const Mark& mark : {Mark{"p50", 0.5}, Mark{"p99", 0.99}, Mark{"p99.9", 0.999}, Mark{"max", 1}}) {
    const double ns = static_cast<double>(latencies.quantile(mark.share));
    const double x = x_of(place(ns));
    out += stroke(x, top, x, bottom, colours[4], "4 3");
    // A label that would run out of the picture stands before its line.
    const bool before = x > right - 110;
    out += text(before ? x - 4 : x + 4, y, before ? "end" : "start",
                fmt::format("{} {}", mark.name, duration_text(ns / 1000)), colours[4]);
    y += 16;
  }
  out += text((left + right) / 2, bottom + 42, "middle", "latency", "#666");
  return out + "</svg>\n";
}

}  // namespace wherry::perf::svg

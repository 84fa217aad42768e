#include "perf/svg.h"

#include <catch2/catch.hpp>

using namespace wherry::perf;
using Catch::Contains;

namespace {

std::size_t occurrences(const std::string& text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// Every element is closed in its turn: what a browser insists on.
bool well_formed(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
    const std::size_t end = text.find('>', at);
    if (end == std::string::npos) return false;
    std::string tag = text.substr(at + 1, end - at - 1);
    if (tag.back() == '/') continue;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  return open.empty();
}

}  // namespace

TEST_CASE("Axes have round steps") {
  CHECK(svg::round_step(10, 5) == Approx(2));
  CHECK(svg::round_step(1'234'567, 6) == Approx(500'000));
  CHECK(svg::round_step(0.07, 10) == Approx(0.01));
  CHECK(svg::round_step(0, 5) == Approx(1));
  CHECK(svg::short_number(0) == "0");
  CHECK(svg::short_number(250) == "250");
  CHECK(svg::short_number(1500) == "1.5k");
  CHECK(svg::short_number(3'000'000) == "3M");
}

TEST_CASE("A line chart has a line for each series, its names and its axes' labels") {
  svg::Chart chart;
  chart.title = "throughput <fast> & \"safe\"";
  chart.subtitle = "1 producer";
  chart.x_label = "seconds";
  chart.y_label = "messages/s";
  chart.lines = {{"published", {{0, 100}, {1, 2000}}}, {"delivered", {{0, 50}, {1, 1500}}}};
  const std::string picture = svg::line_chart(chart);
  CHECK(well_formed(picture));
  CHECK(occurrences(picture, "<polyline") == 2);
  CHECK_THAT(picture, Contains("throughput &lt;fast&gt; &amp; &quot;safe&quot;"));
  CHECK_THAT(picture, Contains("published") && Contains("delivered") && Contains("messages/s") && Contains("2k"));
}

TEST_CASE("A latency chart marks the quantiles and has all messages in its bars") {
  Histogram latencies;
  for (std::uint64_t i = 1; i <= 1000; ++i) latencies.add(i * 1000);
  const std::string picture = svg::latency_chart("latency", "1000/s", latencies);
  CHECK(well_formed(picture));
  CHECK_THAT(picture, Contains("p50 50") && Contains("p99 99") && Contains("p99.9") && Contains("max 1 ms"));
}

TEST_CASE("Nothing measured is said, not drawn") {
  CHECK_THAT(svg::line_chart({}), Contains("nothing was measured"));
  CHECK_THAT(svg::latency_chart("a", "b", Histogram()), Contains("nothing was measured"));
  CHECK(well_formed(svg::line_chart({})));
}

TEST_CASE("A single latency is drawn as well") {
  Histogram latencies;
  latencies.add(1'000'000);
  CHECK(well_formed(svg::latency_chart("a", "b", latencies)));
}

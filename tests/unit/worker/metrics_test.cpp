#include <catch2/catch.hpp>

#include "worker/metrics/exposition.h"
#include "worker/metrics/process.h"

using namespace wherry::metrics;
using Catch::Contains;

TEST_CASE("Tasks are counted by the names that are known, and all others together") {
  Tally tally({"sms.send", "email.send"});
  ++tally.of("email.send").succeeded;
  ++tally.of("made.up.1").dead;
  ++tally.of("made.up.2").dead;
  std::vector<std::string> seen;
  tally.each([&](std::string_view name, const TaskCounts& counts) {
    seen.push_back(std::string(name) + " " + std::to_string(counts.succeeded) + " " + std::to_string(counts.dead));
  });
  CHECK(seen == std::vector<std::string>{"email.send 1 0", "sms.send 0 0", "other 0 2"});
}

TEST_CASE("However many names there are, no more than a bound are told apart") {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < most_names + 7; ++i) names.push_back("task." + std::to_string(i));
  Tally tally(names);
  for (const std::string& name : names) ++tally.of(name).received;
  std::size_t series = 0;
  std::uint64_t all = 0;
  tally.each([&](std::string_view, const TaskCounts& counts) {
    ++series;
    all += counts.received;
  });
  CHECK(series == most_names + 1);
  CHECK(all == names.size());
}

TEST_CASE("A histogram counts what is up to each bound") {
  Histogram times;
  for (const double value : {0.0005, 0.001, 0.3, 4000.0}) times.add(value);
  Exposition text(Exposition::Format::prometheus);
  text.histogram("t", "T.");
  text.sample({{"task", "a"}}, times);
  const std::string all = text.finish();
  CHECK_THAT(all, Contains("# HELP t T.\n# TYPE t histogram\n"));
  CHECK_THAT(all, Contains("t_bucket{task=\"a\",le=\"0.001\"} 2\n"));
  CHECK_THAT(all, Contains("t_bucket{task=\"a\",le=\"0.1\"} 2\n"));
  CHECK_THAT(all, Contains("t_bucket{task=\"a\",le=\"0.5\"} 3\n"));
  CHECK_THAT(all, Contains("t_bucket{task=\"a\",le=\"1800\"} 3\n"));
  CHECK_THAT(all, Contains("t_bucket{task=\"a\",le=\"+Inf\"} 4\n"));
  CHECK_THAT(all, Contains("t_sum{task=\"a\"} 4000.3015\n"));
  CHECK_THAT(all, Contains("t_count{task=\"a\"} 4\n"));
}

TEST_CASE("The two formats differ in a counter's family and in the end") {
  const auto written = [](Exposition::Format format) {
    Exposition text(format);
    text.counter("c", "C.");
    text.sample({{"name", "a \"b\" \\ \n"}}, 3);
    text.gauge("g", "G.");
    text.sample({}, 0.5);
    return text.finish();
  };
  const std::string samples = "c_total{name=\"a \\\"b\\\" \\\\ \\n\"} 3\n# HELP g G.\n# TYPE g gauge\ng 0.5\n";
  CHECK(written(Exposition::Format::prometheus) == "# HELP c_total C.\n# TYPE c_total counter\n" + samples);
  CHECK(written(Exposition::Format::openmetrics) == "# HELP c C.\n# TYPE c counter\n" + samples + "# EOF\n");
}

TEST_CASE("The process is described as Prometheus' own clients do") {
  Exposition text(Exposition::Format::prometheus);
  write_process(text);
  const std::string all = text.finish();
  for (const char* name :
       {"process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_virtual_memory_bytes ",
        "process_open_fds ", "process_max_fds ", "process_start_time_seconds "}) {
    CHECK_THAT(all, Contains(std::string("\n") + name));
  }
  CHECK_THAT(all, !Contains("process_start_time_seconds 0\n") && !Contains("process_resident_memory_bytes 0\n"));
}

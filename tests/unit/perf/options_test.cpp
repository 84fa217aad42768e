#include "perf/options.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::perf;
using Catch::Contains;

namespace {

Result<Options> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "wherry-perf");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

}  // namespace

TEST_CASE("A throughput run is described by its options") {
  const auto options = parse({"throughput",
                              "-p",
                              "4",
                              "-c",
                              "3",
                              "--queues",
                              "2",
                              "--size",
                              "1KiB",
                              "--persistent",
                              "--confirm",
                              "1000",
                              "--ack",
                              "multiple",
                              "--prefetch",
                              "100",
                              "--in-flight",
                              "5000",
                              "--count",
                              "77",
                              "--exchange",
                              "topic",
                              "--bindings",
                              "50",
                              "--pid",
                              "12",
                              "--json",
                              "--uri",
                              "amqp://u:p@h:1/v"});
  REQUIRE(options);
  const Workload& w = options->workload;
  CHECK(options->command == Command::throughput);
  CHECK((w.producers == 4 && w.consumers == 3 && w.queues == 2));
  CHECK(w.size_bytes == 1024);
  CHECK(w.persistent);
  CHECK(w.confirm_window == 1000);
  CHECK(w.ack == AckMode::multiple);
  CHECK(w.ack_every == 50);
  CHECK(w.in_flight == 5000);
  CHECK(w.count == 77);
  CHECK(w.exchange == ExchangeKind::topic);
  CHECK(w.bindings == 50);
  CHECK(options->common.pids == std::vector<int>{12});
  CHECK(options->common.json);
  CHECK(options->common.endpoint.virtual_host == "v");
}

TEST_CASE("Every command has its defaults") {
  CHECK(parse({"throughput"})->workload.size_bytes == 16);
  CHECK(parse({"latency"})->rates == std::vector<double>{1000});
  CHECK(parse({"latency", "-r", "1000,5000"})->rates == std::vector<double>{1000, 5000});
  CHECK(parse({"ping"})->workload.depth == 1);
  const auto backlog = parse({"backlog"});
  CHECK(backlog->workload.persistent);
  CHECK(backlog->workload.count == 1'000'000);
  CHECK((backlog->backlog.fill && backlog->backlog.drain));
  CHECK_FALSE(parse({"backlog", "--phase", "fill"})->backlog.drain);
  CHECK(parse({"connections"})->connections.idle == 2000);
  CHECK(parse({"declares", "--outstanding", "1"})->declares.outstanding == 1);
}

TEST_CASE("A warm-up leaves something of a short run") {
  CHECK(parse({"latency", "-t", "1"})->workload.warm_s == Approx(0.25));
  CHECK(parse({"latency", "-t", "30"})->workload.warm_s == Approx(1));
  CHECK(parse({"ping", "-n", "100"})->workload.warm_s == Approx(0));
}

TEST_CASE("Help is there for all and for each command") {
  CHECK_THAT(parse({"--help"})->answer, Contains("throughput") && Contains("declares") && Contains("Examples"));
  for (const char* command : {"throughput", "latency", "ping", "backlog", "connections", "declares"}) {
    CHECK_THAT(parse({command, "--help"})->answer, Contains("--uri") && Contains("Examples") && Contains(command));
  }
  CHECK(parse({"--version"})->answer == "wherry-perf " WHERRY_VERSION "\n");
}

TEST_CASE("A wrong command line is refused in a sentence that says how to get help") {
  for (const auto& wrong : std::vector<std::vector<const char*>>{{},
                                                                 {"nonsense"},
                                                                 {"throughput", "stray"},
                                                                 {"throughput", "--nonsense"},
                                                                 {"throughput", "-p", "many"},
                                                                 {"throughput", "--size", "big"},
                                                                 {"throughput", "--ack", "sometimes"},
                                                                 {"throughput", "--uri", "http://x"},
                                                                 {"throughput", "--rate", "5"},
                                                                 {"throughput", "-p", "0", "-c", "0"},
                                                                 {"throughput", "--ack-every", "5"},
                                                                 {"latency", "--rate", "0"},
                                                                 {"latency", "--rate", "5,x"},
                                                                 {"backlog", "--phase", "half"},
                                                                 {"connections", "--idle", "0", "--churn", "0"},
                                                                 {"declares", "--count", "0"}}) {
    const auto options = parse(wrong);
    INFO((wrong.empty() ? "" : wrong.back()));
    REQUIRE_FALSE(options);
    CHECK_THAT(options.error().message, Contains("--help'"));
  }
}

TEST_CASE("A mistyped word is told its nearest") {
  CHECK_THAT(parse({"throuput"}).error().message, Contains("did you mean throughput?"));
  CHECK_THAT(parse({"ping", "--presistent"}).error().message, Contains("did you mean --persistent?"));
}

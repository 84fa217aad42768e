#include <catch2/catch.hpp>

#include "tests/unit/worker/fake_context.h"
#include "worker/cli/libraries.h"
#include "worker/cli/options.h"

using namespace wherry;
using namespace wherry::worker;
using namespace wherry::worker::test;
using Catch::Contains;

namespace {

Result<Options> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "wherry-worker");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

}  // namespace

TEST_CASE("Every option has a long and a short form") {
  auto options =
      parse({"-l", "a.so", "--load",       "b.so", "-Q",          "x,y", "--queues", "z",  "-c", "4",  "-p",
             "8",  "-b",   "amqp://there", "-C",   "worker.yaml", "-A",  "app.yaml", "-n", "w1", "-L", "debug"});
  REQUIRE(options);
  CHECK(options->load == std::vector<std::string>{"a.so", "b.so"});
  CHECK(options->queues == std::vector<std::string>{"x", "y", "z"});
  CHECK(options->concurrency == 4u);
  CHECK(options->prefetch == 8u);
  CHECK(options->broker == "amqp://there");
  CHECK(options->config == "worker.yaml");
  CHECK(options->app == "app.yaml");
  CHECK(options->name == "w1");
  CHECK(options->log_level == "debug");
  CHECK(options->answer.empty());
}

TEST_CASE("Autoscale is a larger and a smaller number") {
  CHECK(parse({"--autoscale", "10,3"})->autoscale == std::pair(10u, 3u));
  CHECK(parse({"--autoscale", "10"})->autoscale == std::pair(10u, 1u));
  for (const char* wrong : {"3,10", "0", "5,0", "x", "5,", "5,1,2", "5000"}) CHECK_FALSE(parse({"--autoscale", wrong}));
}

TEST_CASE("A pool is of threads or processes") {
  CHECK(parse({"-P", "processes", "--max-tasks-per-child", "7"})->pool == "processes");
  CHECK(parse({"-P", "processes", "--max-tasks-per-child", "7"})->max_tasks_per_child == 7u);
  CHECK_FALSE(parse({"--pool", "prefork"}));
}

TEST_CASE("Events and the state file are as Celery's") {
  auto options = parse({"-E", "-S", "file"});
  REQUIRE(options);
  CHECK(options->task_events);
  CHECK(options->statedb == "file");
}

TEST_CASE("What is not given is left to the files") {
  auto options = parse({});
  REQUIRE(options);
  CHECK_FALSE(options->concurrency);
  CHECK_FALSE(options->broker);
  CHECK(options->queues.empty());
  CHECK(options->load.empty());
}

TEST_CASE("Help and version are answered") {
  CHECK_THAT(parse({"--help"})->answer, Contains("--load") && Contains("--concurrency") && Contains("Examples"));
  CHECK(parse({"-V"})->answer == "wherry-worker " WHERRY_VERSION "\n");
}

TEST_CASE("A wrong command line is refused in a sentence that says how to get help") {
  for (const auto& wrong : std::vector<std::vector<const char*>>{
           {"--nonsense"}, {"-c", "four"}, {"-c", "-1"}, {"-c", "5000"}, {"-p", "70000"}, {"stray"}, {"--load"}}) {
    auto options = parse(wrong);
    INFO(wrong.front());
    REQUIRE_FALSE(options);
    CHECK_THAT(options.error().message, Contains("--help"));
  }
  CHECK_THAT(parse({"-c", "5000"}).error().message, Contains("--concurrency: a number from 0 to 4096"));
}

TEST_CASE("A library's tasks are registered and run") {
  Registry registry;
  REQUIRE(load_library(TEST_LIBRARY_TASKS, registry));
  FakeContext context;
  CHECK((*call(registry, "library.add", context, {2, 3}).outcome)->result == task::Value(5));
}

TEST_CASE("A library that cannot be used is refused with its name and the reason") {
  Registry registry;
  auto missing = load_library("nowhere/libnone.so", registry);
  REQUIRE_FALSE(missing);
  CHECK_THAT(missing.error().message, Contains("--load nowhere/libnone.so: ") && Contains("No such file"));
  auto bare = load_library("libnone.so", registry);
  REQUIRE_FALSE(bare);
  CHECK_THAT(bare.error().message, Contains("./libnone.so"));
  auto empty = load_library(TEST_LIBRARY_WITHOUT_TASKS, registry);
  REQUIRE_FALSE(empty);
  CHECK_THAT(empty.error().message, Contains("WHERRY_TASKS"));
  auto throws = load_library(TEST_LIBRARY_THROWS, registry);
  REQUIRE_FALSE(throws);
  CHECK_THAT(throws.error().message, Contains("task 'twice' is registered twice"));
  auto anything = load_library(TEST_LIBRARY_THROWS_ANYTHING, registry);
  REQUIRE_FALSE(anything);
  CHECK_THAT(anything.error().message, Contains("no std::exception"));
}

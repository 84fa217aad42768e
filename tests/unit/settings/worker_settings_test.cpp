#include "worker/settings/worker_settings.h"

#include <catch2/catch.hpp>

#include "tests/unit/settings/scratch.h"
#include "tests/unit/settings/variables.h"

using namespace wherry;
using namespace std::chrono_literals;

TEST_CASE("A worker's file names its app and libraries from its own folder") {
  Scratch scratch;
  scratch.write("app.yaml", "default_queue: jobs\n");
  const std::string path = scratch.write(
      "worker.yaml", "app: app.yaml\nload: [a.so, /b.so]\nqueues: [x, y]\nconcurrency: 4\nsoft_time_limit: 1m30s\n");
  auto settings = load_worker_settings(path, no_environment());
  REQUIRE(settings);
  CHECK(settings->app_path == scratch.path("app.yaml"));
  CHECK(settings->app.default_queue == "jobs");
  CHECK(settings->load == std::vector<std::string>{scratch.path("a.so"), "/b.so"});
  CHECK(settings->queues == std::vector<std::string>{"x", "y"});
  CHECK(settings->concurrency == 4);
  CHECK(settings->soft_time_limit == 90s);
}

TEST_CASE("The environment reaches the worker's file and its app's, and its paths are its own") {
  Scratch scratch;
  const std::string path = scratch.write("worker.yaml", "queues: [x]\nload: [a.so]\n");
  auto settings = load_worker_settings(
      path,
      variables({{"WHERRY_QUEUES", "email,sms"}, {"WHERRY_LOAD", "b.so"}, {"WHERRY_BROKER__URL", "amqp://there"}}));
  REQUIRE(settings);
  CHECK(settings->queues == std::vector<std::string>{"email", "sms"});
  CHECK(settings->load == std::vector<std::string>{"b.so"});
  CHECK(settings->app.broker_url == "amqp://there");
}

TEST_CASE("Mistakes of both files are reported together") {
  Scratch scratch;
  const std::string app = scratch.write("app.yaml", "brokr: {}\n");
  const std::string path = scratch.write("worker.yaml", "app: app.yaml\nconcurency: 2\nsoft_time_limit: 0s\n");
  auto settings = load_worker_settings(path, no_environment());
  REQUIRE_FALSE(settings);
  CHECK(settings.error().message == path + ":2:1: unknown key 'concurency'; did you mean 'concurrency'?\n" + path +
                                        ":3:18: 'soft_time_limit' must be between 1ms and 365d, got 0s\n" + app +
                                        ":1:1: unknown key 'brokr'; did you mean 'broker'?");
}

TEST_CASE("A worker whose app is missing says so") {
  Scratch scratch;
  auto settings = load_worker_settings(scratch.write("worker.yaml", "app: gone.yaml\n"), no_environment());
  REQUIRE_FALSE(settings);
  CHECK(settings.error().message == scratch.path("gone.yaml") + ": cannot read it: No such file or directory");
}

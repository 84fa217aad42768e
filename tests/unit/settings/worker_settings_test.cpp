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

TEST_CASE("What a worker's processes may do has its keys") {
  Scratch scratch;
  const std::string path = scratch.write(
      "worker.yaml",
      "pool: processes\ntime_limit: 10m\nmemory_limit: 1GiB\nmax_memory_per_child: 256MiB\nmax_tasks_per_child: 9\n"
      "crash_budget: 2\nautoscale_max: 8\nautoscale_min: 2\nremote_control: no\ntask_events: yes\nstatedb: ids\n");
  auto settings = load_worker_settings(path, no_environment());
  REQUIRE(settings);
  CHECK(settings->processes);
  CHECK(settings->time_limit == 10min);
  CHECK(settings->memory_limit == std::uint64_t{1} << 30);
  CHECK(settings->max_memory_per_child == std::uint64_t{256} << 20);
  CHECK(settings->max_tasks_per_child == 9);
  CHECK(settings->crash_budget == 2);
  CHECK(settings->autoscale_max == 8);
  CHECK(settings->autoscale_min == 2);
  CHECK_FALSE(settings->remote_control);
  CHECK(settings->task_events);
  CHECK(settings->statedb == scratch.path("ids"));
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

TEST_CASE("Limits are by name or pattern, and a rate that is none is refused where it stands") {
  Scratch scratch;
  const std::string path = scratch.write(
      "worker.yaml",
      "metrics: 127.0.0.1:0\nmetrics_tls: {certificate: w.pem, key: /w.key}\nlog_format: json\ntask_limits:\n"
      "  \"email.*\": {rate_limit: 10/m, soft_time_limit: 30s}\n"
      "  sms.send: {rate_limit: 5, time_limit: 1m}\n");
  auto settings = load_worker_settings(path, no_environment());
  REQUIRE(settings);
  CHECK(settings->metrics == "127.0.0.1:0");
  CHECK(settings->metrics_certificate.ends_with("/w.pem"));
  CHECK(settings->metrics_key == "/w.key");
  CHECK(settings->log_format == log::Format::json);
  REQUIRE(settings->task_limits.size() == 2);
  CHECK(settings->task_limits[0].pattern == "email.*");
  CHECK(settings->task_limits[0].rate_limit == "10/m");
  CHECK(settings->task_limits[0].soft_time_limit == 30s);
  CHECK(settings->task_limits[1].rate_limit == "5");
  CHECK(settings->task_limits[1].time_limit == 1min);

  const std::string wrong = scratch.write("worker.yaml", "task_limits: {a: {rate_limit: often}}\nmetrics: here\n");
  CHECK(load_worker_settings(wrong, no_environment()).error().message ==
        wrong + ":1:31: 'often' is no rate; write 10/s, 10/m or 10/h\n" + wrong +
            ":2:10: 'metrics' wants HOST:PORT, got 'here'");
}

#include "sdk/settings/app_settings.h"

#include <catch2/catch.hpp>

#include "tests/unit/settings/scratch.h"
#include "tests/unit/settings/variables.h"

using namespace wherry;
using namespace wherry::sdk;
using namespace std::chrono_literals;

namespace {

Result<AppSettings> read(const std::string& text, std::map<std::string, std::string> environment = {}) {
  yaml::Document document = yaml::Document::parse(text, "app.yaml", variables(std::move(environment)));
  AppSettings settings = read_app_settings(document);
  if (auto done = document.finish(); !done) return tl::unexpected(done.error());
  return settings;
}

std::string url_of(const std::string& text, std::map<std::string, std::string> environment = {}) {
  auto settings = read(text, std::move(environment));
  return settings ? settings->broker_url : settings.error().message;
}

}  // namespace

TEST_CASE("Without a file an app has its defaults") {
  auto settings = load_app_settings(std::nullopt, no_environment());
  REQUIRE(settings);
  CHECK(settings->broker_url == "amqp://guest:guest@127.0.0.1:5672/%2F?heartbeat=60&connection_timeout=10000");
  CHECK(settings->default_queue == "celery");
  CHECK(settings->serializer == BodyFormat::msgpack);
  CHECK(settings->results);
}

TEST_CASE("Queues are classic unless the file or the environment says quorum") {
  CHECK_FALSE(read("")->quorum_queues);
  CHECK(read("queue_type: quorum")->quorum_queues);
  CHECK(read("", {{"WHERRY_QUEUE_TYPE", "quorum"}})->quorum_queues);
  CHECK(read("queue_type: quorom").error().message.find("quorum") != std::string::npos);
}

TEST_CASE("Where results are is rpc, none or a URL, and where it was said is known") {
  CHECK(read("")->result_backend == "rpc");
  CHECK_FALSE(read("result_backend: none")->results);
  const auto stored = read("default_queue: q\nresult_backend: redis://h/1\nresult_expires: 0s");
  REQUIRE(stored);
  CHECK(stored->results);
  CHECK(stored->result_backend == "redis://h/1");
  CHECK(stored->result_backend_place == "app.yaml:2:17");
  CHECK(stored->result_expires == 0ms);
  CHECK(read("", {{"WHERRY_RESULT_BACKEND", "redis://e"}})->result_backend == "redis://e");
}

TEST_CASE("The broker is a URL, several, or its parts") {
  CHECK(url_of("broker: {url: \"amqp://a/b\"}") == "amqp://a/b");
  CHECK(url_of("broker: {url: [\"amqp://a\", \"amqp://b\"]}") == "amqp://a;amqp://b");
  CHECK(url_of("broker: {host: \"::1\", port: 1, user: u, password: \"p@/\", vhost: v/w, heartbeat: 2m}") ==
        "amqp://u:p%40%2F@[::1]:1/v%2Fw?heartbeat=120&connection_timeout=10000");
}

TEST_CASE("The environment replaces the broker's address or its password") {
  CHECK(url_of("broker: {host: h, vhost: v}", {{"WHERRY_BROKER__URL", "amqp://x"}}) == "amqp://x");
  CHECK(url_of("broker: {url: \"amqp://me:old@h/v?heartbeat=1\"}", {{"WHERRY_BROKER__PASSWORD", "new"}}) ==
        "amqp://me:new@h/v?heartbeat=1");
  CHECK(url_of("broker: {url: \"amqp://h\", user: me, password: p}") == "amqp://me:p@h");
  Scratch scratch;
  const std::string secret = scratch.write("secret", "hush\n");
  CHECK(url_of("", {{"WHERRY_BROKER__PASSWORD_FILE", secret}}) ==
        "amqp://guest:hush@127.0.0.1:5672/%2F?heartbeat=60&connection_timeout=10000");
}

TEST_CASE("Where a broker's URL was said is known") {
  CHECK(read("broker:\n  url: x")->broker_place == "app.yaml:2:8");
  CHECK(read("", {{"WHERRY_BROKER__URL", "x"}})->broker_place == "WHERRY_BROKER__URL");
}

TEST_CASE("A task's route is the one of its name, else the first pattern that fits") {
  auto settings = read(R"(
task_routes:
  "email.*": {queue: email, priority: 5}
  "*": rest
  email.now: {exchange: fast, routing_key: now}
)");
  REQUIRE(settings);
  CHECK(find_route(*settings, "email.now")->exchange == "fast");
  CHECK(find_route(*settings, "email.now")->routing_key == "now");
  CHECK(find_route(*settings, "email.send")->queue == "email");
  CHECK(find_route(*settings, "email.send")->priority == 5);
  CHECK(find_route(*settings, "sms.send")->queue == "rest");
  CHECK(find_route(*read(""), "sms.send") == nullptr);
}

TEST_CASE("A task's retry policy is found as its route is") {
  auto settings = read(
      "task_retries:\n  \"sms.*\": {max_retries: 9, base: 250ms, factor: 1.5, max: 1m, jitter: false}\n  \"*\": {}\n");
  REQUIRE(settings);
  const TaskRetry* sms = find_retry(*settings, "sms.send");
  REQUIRE(sms);
  CHECK(sms->max_retries == 9);
  CHECK(sms->base == 250ms);
  CHECK(sms->factor == 1.5);
  CHECK(sms->max == 1min);
  CHECK_FALSE(sms->jitter);
  CHECK(find_retry(*settings, "email.send")->max_retries == 3);
}

TEST_CASE("A mistake in app.yaml is reported at its place") {
  auto [text, error] = GENERATE(table<std::string, std::string>({
      {"task_routes: {\"a.*\": {quue: b}}", "app.yaml:1:23: unknown key 'quue'; did you mean 'queue'?"},
      {"task_routes: {a: {queue: b, exchange: c}}", "app.yaml:1:39: 'queue' and 'exchange' exclude each other"},
      {"task_routes: {a: {queue: b, routing_key: c}}", "app.yaml:1:42: 'routing_key' goes with an 'exchange'"},
      {"task_routes: {a: {priority: 256}}", "app.yaml:1:29: 'priority' must be between 0 and 255, got 256"},
      {"task_retries: {a: 3}", "app.yaml:1:19: 'a' wants a map of keys, got a text"},
      {"task_retries: {a: {factor: 0.5}}", "app.yaml:1:28: 'factor' must be between 1 and 1000, got 0.5"},
      {"broker: {url: x, host: y}", "app.yaml:1:24: 'host' belongs into the 'url' that is given too"},
      {"serializer: pickle", "app.yaml:1:13: 'serializer' wants one of msgpack, json; got 'pickle'"},
      {"bindings: [{exchange: a}]", "app.yaml:1:12: a binding needs a 'queue', or an exchange in 'to_exchange'"},
      {"queues: [{durable: true}]", "app.yaml:1:10: 'queues[].name' is missing"},
  }));
  CAPTURE(text);
  auto settings = read(text);
  CHECK((settings ? "" : settings.error().message) == error);
}

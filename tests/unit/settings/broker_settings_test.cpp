#include "broker/settings/broker_settings.h"

#include <catch2/catch.hpp>

#include "tests/unit/settings/scratch.h"
#include "tests/unit/settings/variables.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

std::string error_of(const std::string& text) {
  yaml::Document document = yaml::Document::parse(text, "broker.yaml", no_environment());
  read_broker_settings(document);
  auto read = document.finish();
  return read ? "" : read.error().message;
}

}  // namespace

TEST_CASE("Without a file the broker has its defaults and the vhost /") {
  auto settings = load_broker_settings(std::nullopt, no_environment());
  REQUIRE(settings);
  CHECK(settings->amqp == "127.0.0.1:5672");
  CHECK_FALSE(settings->data_dir);
  CHECK(settings->shards == 1);
  CHECK(settings->heartbeat_s == 60);
  CHECK(settings->users.empty());
  REQUIRE(settings->vhosts.size() == 1);
  CHECK(settings->vhosts[0].name == "/");
}

TEST_CASE("The environment beats broker.yaml, and that the defaults") {
  Scratch scratch;
  const std::string path = scratch.write("broker.yaml", "listen: {amqp: \"127.0.0.1:1\"}\nshards: 2\nheartbeat: 1m\n");
  auto settings = load_broker_settings(path, variables({{"WHERRY_LISTEN__AMQP", "0.0.0.0:0"}}));
  REQUIRE(settings);
  CHECK(settings->amqp == "0.0.0.0:0");
  CHECK(settings->shards == 2);
  CHECK(settings->heartbeat_s == 60);
  CHECK(settings->channel_max == 2047);
}

TEST_CASE("Limits against abuse have their defaults, and bounds of their own") {
  auto settings = load_broker_settings(std::nullopt, no_environment());
  REQUIRE(settings);
  CHECK_FALSE(settings->connection_max);
  CHECK(settings->queue_max == 1'000'000);
  CHECK(settings->unacked_max == 256u << 20);
  CHECK(settings->handshake_timeout == std::chrono::seconds(10));
  CHECK(settings->http.connection_max == 1'000);

  yaml::Document document = yaml::Document::parse(
      "connection_max: 5\nunacked_max: 1MiB\nqueue_max: 0\nhandshake_timeout: 2s\n"
      "http: {connection_max: 7, max_head_size: 4KiB, max_body_size: 0, head_timeout: 1s, body_timeout: 2s, "
      "idle_timeout: 3s}\n",
      "broker.yaml", no_environment());
  const BrokerSettings read = read_broker_settings(document);
  REQUIRE(document.finish());
  CHECK(read.connection_max == 5u);
  CHECK(read.unacked_max == 1u << 20);
  CHECK(read.queue_max == 0);
  CHECK(read.handshake_timeout == std::chrono::seconds(2));
  CHECK(read.http.connection_max == 7);
  CHECK(read.http.max_head_size == 4096);
  CHECK(read.http.max_body_size == 0);
  CHECK(read.http.idle_timeout == std::chrono::seconds(3));
  CHECK(error_of("connection_max: 0").find("connection_max") != std::string::npos);
  CHECK(error_of("http: {max_head_size: 10}").find("max_head_size") != std::string::npos);
}

TEST_CASE("The product's name and version are the broker's own until they are set, each for itself") {
  auto settings = load_broker_settings(std::nullopt, no_environment());
  REQUIRE(settings);
  CHECK_FALSE(settings->product.name);
  CHECK_FALSE(settings->product.version);

  Scratch scratch;
  const std::string path = scratch.write("broker.yaml", "product: {version: \"3.10.8\"}\n");
  settings = load_broker_settings(path, variables({{"WHERRY_PRODUCT__NAME", "RabbitMQ"}}));
  REQUIRE(settings);
  CHECK(settings->product.name == "RabbitMQ");
  CHECK(settings->product.version == "3.10.8");
}

TEST_CASE("Virtual hosts hold exchanges, queues and bindings") {
  yaml::Document document = yaml::Document::parse(R"(
vhosts:
  - name: a
    exchanges: [{name: logs, type: topic, arguments: {alternate-exchange: rest}}]
    queues: [all, {name: some, durable: false, arguments: {x-max-length: 5}}]
    bindings:
      - {exchange: logs, queue: all, routing_key: "#"}
      - {exchange: amq.topic, to_exchange: logs, routing_key: "a.*"}
  - b
)",
                                                  "broker.yaml", no_environment());
  const BrokerSettings settings = read_broker_settings(document);
  REQUIRE(document.finish());
  REQUIRE(settings.vhosts.size() == 2);
  const VhostSettings& a = settings.vhosts[0];
  CHECK(a.exchanges[0].type == "topic");
  REQUIRE(a.exchanges[0].arguments.string("alternate-exchange") != nullptr);
  CHECK(*a.exchanges[0].arguments.string("alternate-exchange") == "rest");
  CHECK(a.queues[0].name == "all");
  CHECK(a.queues[0].durable);
  CHECK_FALSE(a.queues[1].durable);
  REQUIRE(a.queues[1].arguments.find("x-max-length") != nullptr);
  CHECK(*a.queues[1].arguments.find("x-max-length") == amqp::FieldValue(std::int32_t{5}));
  CHECK(a.bindings[0].destination == "all");
  CHECK_FALSE(a.bindings[0].to_exchange);
  CHECK(a.bindings[1].destination == "logs");
  CHECK(a.bindings[1].to_exchange);
  CHECK(settings.vhosts[1].name == "b");
}

TEST_CASE("A user's password comes from the file, from another file, or as a hash") {
  Scratch scratch;
  scratch.write("secret", "hush\n");
  const std::string path =
      scratch.write("broker.yaml",
                    "users:\n"
                    "  - {name: a, password: one, tags: [administrator], permissions: [{read: x}]}\n"
                    "  - {name: b, password_file: secret}\n"
                    "  - {name: guest, password_hash: abc}\n");
  auto settings = load_broker_settings(path, no_environment());
  REQUIRE(settings);
  REQUIRE(settings->users.size() == 3);
  CHECK(settings->users[0].password == "one");
  CHECK(settings->users[0].tags == std::vector<std::string>{"administrator"});
  CHECK(settings->users[0].permissions[0].vhost == "/");
  CHECK(settings->users[0].permissions[0].read == "x");
  CHECK_FALSE(settings->users[0].loopback_only);
  CHECK(settings->users[1].password == "hush");
  CHECK_FALSE(settings->users[2].password);
  CHECK(settings->users[2].password_hash == "abc");
  CHECK(settings->users[2].loopback_only);
}

TEST_CASE("The memory mark is a share up to one, and bytes above") {
  auto [text, share, bytes] = GENERATE(table<std::string, double, std::optional<std::uint64_t>>({
      {"0", 0.0, std::nullopt},
      {"0.4", 0.4, std::nullopt},
      {"1", 1.0, std::nullopt},
      {"25%", 0.25, std::nullopt},
      {"2", 0.0, 2},
      {"512MiB", 0.0, 512u << 20},
      {"1.5GB", 0.0, 1'500'000'000},
  }));
  CAPTURE(text);
  auto mark = parse_memory_mark(text);
  REQUIRE(mark);
  CHECK(mark->share == Approx(share));
  CHECK(mark->bytes == bytes);
}

TEST_CASE("A mistake in broker.yaml is reported at its place") {
  auto [text, error] = GENERATE(table<std::string, std::string>({
      {"listen: {ampq: x}", "broker.yaml:1:10: unknown key 'ampq'; did you mean 'amqp'?"},
      {"listen: {amqp: here}", "broker.yaml:1:16: 'amqp' wants HOST:PORT, got 'here'"},
      {"listen: {amqp: \"::1:5672\"}", "broker.yaml:1:16: 'amqp' wants HOST:PORT, got '::1:5672'"},
      {"listen: {amqp: \"h:99999\"}", "broker.yaml:1:16: 'amqp' wants HOST:PORT, got 'h:99999'"},
      {"frame_max: 1KiB", "broker.yaml:1:12: 'frame_max' must be between 4096 and 2147483647 bytes, got 1KiB"},
      {"durability: fsync",
       "broker.yaml:1:13: 'durability' wants one of sync, os, none; got 'fsync'; did you mean 'sync'?"},
      {"memory_high_watermark: 1.5x",
       "broker.yaml:1:24: 'memory_high_watermark' wants a share such as 0.4 or 40%, or a size such as 2GiB, got "
       "'1.5x'"},
      {"memory_high_watermark: 140%",
       "broker.yaml:1:24: 'memory_high_watermark' wants a share such as 0.4 or 40%, or a size such as 2GiB, got "
       "'140%'"},
      {"store: {log_budget: 4MiB, log_file_size: 3MiB}",
       "broker.yaml:1:21: 'log_budget' must be twice 'log_file_size' at least"},
      {"store: {log_file_size: 128MiB}", "broker.yaml:1:24: 'log_budget' must be twice 'log_file_size' at least"},
      {"log_level: warn", "broker.yaml:1:12: 'log_level' wants one of debug, info, warning, error, off; got 'warn'"},
      {"vhosts: [a, a]", "broker.yaml:1:13: the vhost 'a' is there twice"},
      {"vhosts: [{name: a, queues: [amq.x]}]",
       "broker.yaml:1:29: a queue needs a name, and names that begin with 'amq.' are the broker's own"},
      {"vhosts: [{name: a, exchanges: [{name: e, type: topc}]}]",
       "broker.yaml:1:48: 'type' wants one of direct, fanout, topic, headers, x-delayed-message; got 'topc'; did you "
       "mean 'topic'?"},
      {"vhosts: [{name: a, queues: [mail], bindings: [{exchange: amq.direct, queue: mial}]}]",
       "broker.yaml:1:77: there is no queue 'mial' in this file; did you mean 'mail'?"},
      {"vhosts: [{name: a, queues: [mail], bindings: [{exchange: amq.direct}]}]",
       "broker.yaml:1:47: a binding needs a 'queue', or an exchange in 'to_exchange'"},
      {"users: [{name: a}]", "broker.yaml:1:9: a user needs one of 'password', 'password_file' and 'password_hash'"},
      {"users: [{name: a, password: b, password_hash: c}]",
       "broker.yaml:1:47: 'password' and 'password_hash' exclude each other"},
      {"users: [{name: a, password: b, permissions: [{vhost: prod}]}]",
       "broker.yaml:1:54: there is no vhost 'prod' in this file"},
      {"users: [{name: a, password: b}, {name: a, password: c}]", "broker.yaml:1:40: the user 'a' is there twice"},
  }));
  CAPTURE(text);
  CHECK(error_of(text) == error);
}

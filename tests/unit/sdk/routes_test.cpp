#include "sdk/client/routes.h"

#include <fstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "sdk/client/configure.h"
#include "wherry/client.h"
#include "wherry/error.h"

using namespace wherry;
using namespace wherry::sdk;

namespace {

struct File {
  explicit File(const std::string& text) {
    char name[] = "/tmp/wherry-routes-XXXXXX";
    ::close(::mkstemp(name));
    path = name;
    std::ofstream(path) << text;
  }
  ~File() { ::unlink(path.c_str()); }
  std::string path;
};

constexpr const char* app = R"(
broker:
  url: ["amqp://ann:pw@a:1/shop", "amqp://b"]
exchanges:
  - {name: logs, type: topic}
queues:
  - name: email
    arguments: {x-max-priority: 9, x-message-ttl: 86400000000}
  - logs.all
bindings:
  - {exchange: logs, queue: logs.all, routing_key: "#"}
task_routes:
  "email.*": {queue: email, priority: 5}
  "sms.*": sms
  log.record: {exchange: logs, routing_key: app.info}
default_queue: work
serializer: json
)";

}  // namespace

TEST_CASE("without routes a task goes to the default queue, made as Celery makes it", "[routes]") {
  const Route route = Router("celery").route("a.b", {});
  CHECK(route.queue == "celery");
  CHECK_FALSE(route.exchange);
  CHECK(*route.topology == Topology{ExchangeSpec{.name = "celery"}, QueueSpec{.name = "celery"},
                                    BindingSpec{.source = "celery", .destination = "celery", .routing_key = "celery"}});
}

TEST_CASE("routes, queues and defaults come from the file", "[routes]") {
  File file(app);
  const Configured configured = configure(file.path, {});
  REQUIRE(configured.endpoints.size() == 2);
  CHECK(configured.endpoints[0].text() == "amqp://ann@a:1/shop");
  CHECK(configured.options.serializer == Serializer::json);
  const Route email = configured.router.route("email.send", {});
  CHECK(email.queue == "email");
  CHECK(email.priority == 5);
  REQUIRE(email.topology->size() == 4);
  const auto& queue = std::get<QueueSpec>(email.topology->at(1));
  CHECK(amqp::to_string(queue.arguments) == "{x-max-priority: 9, x-message-ttl: 86400000000}");
  CHECK(*configured.router.route("sms.send", {}).topology == queue_topology("sms"));
  CHECK(configured.router.route("other", {}).queue == "work");
  const Route log = configured.router.route("log.record", {});
  CHECK(log.exchange == "logs");
  CHECK(log.routing_key == "app.info");
  CHECK(log.topology->size() == 4);
}

TEST_CASE("options beat the routes", "[routes]") {
  File file(app);
  const Configured configured = configure(file.path, {});
  const Route queue = configured.router.route("log.record", {.queue = "mine"});
  CHECK(queue.queue == "mine");
  CHECK_FALSE(queue.exchange);
  CHECK(*queue.topology == queue_topology("mine"));
  const Route exchange = configured.router.route("email.send", {.exchange = "x", .routing_key = "k", .priority = 1});
  CHECK(exchange.exchange == "x");
  CHECK(exchange.routing_key == "k");
  CHECK(exchange.priority == 1);
  CHECK(exchange.topology == nullptr);
  const Route key = configured.router.route("email.send", {.routing_key = "some-queue"});
  CHECK(key.exchange == "");
  CHECK(key.routing_key == "some-queue");
  CHECK(configured.router.route("email.send", {.priority = 2}).priority == 2);
}

TEST_CASE("what the program sets beats the file", "[routes]") {
  File file(app);
  const Configured configured = configure(file.path, {.default_queue = "mine"});
  CHECK(configured.router.route("other", {}).queue == "mine");
}

TEST_CASE("routes in code are found as those of the file are, and before them", "[routes]") {
  const std::vector<wherry::TaskRoute> coded{{.task = "*", .queue = "rest"},
                                             {.task = "email.*", .queue = "late"},
                                             {.task = "email.now", .exchange = "fast", .routing_key = "now"},
                                             {.task = "sms.send", .priority = 7}};
  const Router alone = coded_router(coded, "celery");
  CHECK(alone.route("other", {}).queue == "rest");
  CHECK(alone.route("email.later", {}).queue == "rest");  // The first pattern that fits.
  CHECK(alone.route("email.now", {}).exchange == "fast");
  CHECK(alone.route("email.now", {}).routing_key == "now");
  CHECK(alone.route("sms.send", {}).queue == "celery");
  CHECK(alone.route("sms.send", {}).priority == 7);
  CHECK(alone.route("email.now", {.queue = "mine"}).queue == "mine");

  File file(app);
  const Configured both = configure(
      file.path, {.task_routes = {{.task = "sms.send", .queue = "own"}, {.task = "email.s*", .queue = "own"}}});
  CHECK(both.router.route("sms.send", {}).queue == "own");
  CHECK(both.router.route("sms.other", {}).queue == "sms");
  CHECK(both.router.route("email.send", {}).queue == "own");
  CHECK(both.router.route("email.other", {}).queue == "email");
  // The exact name of the file goes before a pattern in code.
  const Configured pattern = configure(file.path, {.task_routes = {{.task = "*", .queue = "own"}}});
  CHECK(pattern.router.route("log.record", {}).exchange == "logs");
  CHECK(pattern.router.route("email.send", {}).queue == "own");
}

TEST_CASE("a route in code that cannot be meant is refused with its name", "[routes]") {
  const auto message = [](wherry::TaskRoute route) -> std::string {
    try {
      Client client("amqp://127.0.0.1:1", {.task_routes = {std::move(route)}});
    } catch (const ClientError& e) {
      CHECK(e.code() == Errc::invalid_argument);
      return e.what();
    }
    return {};
  };
  CHECK(message({.task = "a.b", .queue = "q", .exchange = "x"}) ==
        "task_routes, 'a.b': a queue and an exchange exclude each other");
  CHECK(message({.task = "a.b", .routing_key = "k"}) == "task_routes, 'a.b': a routing key goes with an exchange");
  CHECK(message({.queue = "q"}) == "task_routes, '': an entry needs a task's name or a pattern");
}

TEST_CASE("a mistake in the file or in its address is told with its place", "[routes]") {
  auto message = [](const std::string& text) -> std::string {
    File file(text);
    try {
      configure(file.path, {});
    } catch (const ClientError& e) {
      CHECK(e.code() == Errc::invalid_argument);
      return std::string(e.what()).substr(file.path.size());
    }
    return {};
  };
  CHECK(message("broker:\n  url: http://h/\n").starts_with(":2:"));
  CHECK(message("defualt_queue: x\n").starts_with(":1:"));
}

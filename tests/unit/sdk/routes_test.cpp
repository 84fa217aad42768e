#include "sdk/client/routes.h"

#include <fstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "sdk/client/configure.h"
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
  CHECK(route.topology == Topology{ExchangeSpec{.name = "celery"}, QueueSpec{.name = "celery"},
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
  REQUIRE(email.topology.size() == 4);
  const auto& queue = std::get<QueueSpec>(email.topology[1]);
  CHECK(amqp::to_string(queue.arguments) == "{x-max-priority: 9, x-message-ttl: 86400000000}");
  CHECK(configured.router.route("sms.send", {}).topology == queue_topology("sms"));
  CHECK(configured.router.route("other", {}).queue == "work");
  const Route log = configured.router.route("log.record", {});
  CHECK(log.exchange == "logs");
  CHECK(log.routing_key == "app.info");
  CHECK(log.topology.size() == 4);
}

TEST_CASE("options beat the routes", "[routes]") {
  File file(app);
  const Configured configured = configure(file.path, {});
  const Route queue = configured.router.route("log.record", {.queue = "mine"});
  CHECK(queue.queue == "mine");
  CHECK_FALSE(queue.exchange);
  CHECK(queue.topology == queue_topology("mine"));
  const Route exchange = configured.router.route("email.send", {.exchange = "x", .routing_key = "k", .priority = 1});
  CHECK(exchange.exchange == "x");
  CHECK(exchange.routing_key == "k");
  CHECK(exchange.priority == 1);
  CHECK(exchange.topology.empty());
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
  CHECK(message("broker:\n  url: amqps://h/\n").starts_with(":2:"));
  CHECK(message("defualt_queue: x\n").starts_with(":1:"));
}

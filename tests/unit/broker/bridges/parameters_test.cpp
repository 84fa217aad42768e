#include "broker/bridges/parameters.h"

#include <catch2/catch.hpp>

#include "broker/control/json.h"

using namespace wherry;
using namespace wherry::broker;
using namespace wherry::broker::bridges;

namespace {

amqp::FieldValue json(std::string_view text) {
  auto value = control::parse_value(text);
  REQUIRE(value);
  return *value;
}

ShovelSpec shovel(std::string_view text, std::string_view vhost = "/") {
  auto spec = parse_shovel(vhost, "s", json(text));
  INFO((spec ? std::string() : spec.error().message));
  REQUIRE(spec);
  return *spec;
}

std::string fault(std::string_view component, std::string_view text) {
  return parameter_fault(component, "/", "x", json(text));
}

}  // namespace

TEST_CASE("a shovel has RabbitMQ's defaults") {
  const ShovelSpec spec = shovel(R"({"src-uri":"amqp://h","src-queue":"q","dest-uri":"amqp://"})");
  CHECK(spec.ack_mode == AckMode::on_confirm);
  CHECK(spec.prefetch == 1000);
  CHECK(spec.reconnect_delay.count() == 5);
  CHECK(spec.deletes == ShovelSpec::Delete::never);
  CHECK_FALSE(spec.destination_queue);
  CHECK_FALSE(spec.destination_exchange);
  CHECK_FALSE(spec.rewriting.forward_headers);
}

TEST_CASE("older names of keys mean the same, and one key is given once") {
  const ShovelSpec spec = shovel(R"({"src-uri":"amqp://h","src-queue":"q","dest-uri":"amqp://h","prefetch-count":7,
    "delete-after":"queue-length","add-forward-headers":true,"publish-properties":{"delivery-mode":2}})");
  CHECK(spec.prefetch == 7);
  CHECK(spec.deletes == ShovelSpec::Delete::when_moved);
  CHECK(spec.rewriting.forward_headers);
  CHECK(spec.rewriting.properties.delivery_mode == 2);
  CHECK(fault("shovel", R"({"src-uri":"amqp://h","src-queue":"q","dest-uri":"amqp://h","prefetch-count":7,
    "src-prefetch-count":7})") == "'src-prefetch-count' and 'prefetch-count' are one key: give it once");
}

TEST_CASE("a URI without a host is this broker, and one without a virtual host means the parameter's") {
  const ShovelSpec spec =
      shovel(R"({"src-uri":["amqp://","amqp:///a","amqp://h","amqp://h/","amqp://h/%2F?heartbeat=5"],
    "src-queue":"q","dest-uri":"amqps://h"})",
             "v");
  REQUIRE(spec.source.size() == 5);
  CHECK(spec.source[0].local);
  CHECK(spec.source[0].endpoint.virtual_host == "v");
  CHECK(spec.source[1].local);
  CHECK(spec.source[1].endpoint.virtual_host == "a");
  CHECK_FALSE(spec.source[2].local);
  CHECK(spec.source[2].endpoint.virtual_host == "v");
  CHECK(spec.source[3].endpoint.virtual_host == "v");
  CHECK(spec.source[4].endpoint.virtual_host == "/");
  CHECK(spec.destination[0].endpoint.tls);
  CHECK(local_vhosts("shovel", "v", "s",
                     json(R"({"src-uri":["amqp://","amqp:///a"],"src-queue":"q","dest-uri":"amqp://h"})")) ==
        std::vector<std::string>{"v", "a"});
}

TEST_CASE("no text of a URI shows who we are there") {
  const ShovelSpec spec = shovel(R"({"src-uri":"amqp://user:secret@h:5/v","src-queue":"q","dest-uri":"amqp://"})");
  CHECK(spec.source[0].text() == "amqp://h:5/v");
  CHECK(spec.destination[0].text() == "amqp:///");
  const std::string told =
      fault("shovel", R"({"src-uri":"amqp://user:secret@h:x","src-queue":"q","dest-uri":"amqp://"})");
  CHECK(told.find("secret") == std::string::npos);
  CHECK(told.starts_with("src-uri: "));
}

TEST_CASE("what is missing, unfit or unknown is named") {
  CHECK(fault("shovel", "[]") == "the value of a shovel is an object");
  CHECK(fault("shovel", "{}") == "Key \"src-uri\" not found in shovel");
  CHECK(fault("shovel", R"({"src-uri":"amqp://","src-queue":"q","dest-uri":"amqp://","more":1})") ==
        "Unrecognised terms [<<\"more\">>] in shovel");
  CHECK(fault("federation-upstream", R"({"uri":"amqp://h","max-hops":300})") ==
        "max-hops should be a number from 1 to 255, actually was 300");
  CHECK(fault("federation-upstream-set", R"([{"upstream":"u"},{"uri":"amqp://h"}])") ==
        "Key \"upstream\" not found in federation-upstream-set");
}

TEST_CASE("a member of a set is its upstream with other keys") {
  const auto members = parse_upstream_set(json(R"([{"upstream":"u","exchange":"there","max-hops":4}])"));
  REQUIRE(members);
  const auto spec = member_of_set("/", members->front(), json(R"({"uri":"amqp://h","max-hops":2,"expires":1000})"));
  REQUIRE(spec);
  CHECK(spec->exchange == "there");
  CHECK(spec->max_hops == 4);
  CHECK(spec->expires_ms == 1000);
}

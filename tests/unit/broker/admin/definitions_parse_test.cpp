#include <catch2/catch.hpp>

#include "broker/admin/definitions_document.h"
#include "broker/control/json.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

admin::Outcome<admin::DefinitionsDocument> parse(const std::string& json, std::string_view vhost = "") {
  auto table = control::parse_object(json);
  REQUIRE(table);
  return admin::parse_definitions(*table, vhost);
}

std::string fault(const std::string& json) {
  auto document = parse(json);
  return document ? std::string() : document.error().reason;
}

}  // namespace

TEST_CASE("what RabbitMQ exports is understood") {
  auto document = parse(R"({"rabbit_version":"3.10.8",
    "users":[{"name":"anna","password_hash":"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
              "hashing_algorithm":"rabbit_password_hashing_sha256","tags":["administrator"],"limits":{"max-channels":5}},
             {"name":"old","password_hash":"","tags":"monitoring,management"}],
    "vhosts":[{"name":"/"},{"name":"v","description":"d","tags":[]}],
    "permissions":[{"user":"anna","vhost":"/","configure":".*","write":"","read":"^a"}],
    "topic_permissions":[{"user":"anna","vhost":"/","exchange":"amq.topic","write":"w","read":"r"}],
    "parameters":[{"vhost":"/","component":"vhost-limits","name":"limits","value":{"max-queues":3}},
                  {"vhost":"/","component":"operator_policy","name":"cap",
                   "value":{"apply-to":"queues","definition":{"max-length":9},"pattern":".*","priority":0}},
                  {"vhost":"/","component":"shovel","name":"s",
                   "value":{"src-uri":"amqp://","src-queue":"a","dest-uri":"amqp://h","dest-queue":"b"}},
                  {"vhost":"/","component":"federation-upstream-set","name":"all","value":[{"upstream":"u"}]},
                  {"vhost":"/","component":"mystery","name":"m","value":{}}],
    "global_parameters":[{"name":"cluster_name","value":"c"}],
    "policies":[{"vhost":"/","name":"p","pattern":"^p","apply-to":"all","definition":{"max-length":1},"priority":2}],
    "queues":[{"name":"q","vhost":"/","durable":true,"auto_delete":false,"arguments":{"x-max-length":4}}],
    "exchanges":[{"name":"e","vhost":"/","type":"topic","durable":true,"auto_delete":false,"internal":false,"arguments":{}}],
    "bindings":[{"source":"e","vhost":"/","destination":"q","destination_type":"queue","routing_key":"k","arguments":{}}]})");
  REQUIRE(document);
  CHECK(document->users.size() == 2);
  CHECK(document->users[1].tags == std::vector<std::string>{"monitoring", "management"});
  REQUIRE(document->user_limits.size() == 1);
  CHECK(document->user_limits[0].first == "anna");
  CHECK(document->vhosts[1].what->description == "d");
  CHECK(document->permissions[0].permission.read == "^a");
  CHECK(document->topic_permissions[0].permission.exchange == "amq.topic");
  CHECK(document->policies.size() == 2);
  CHECK(document->vhost_limits.size() == 1);
  REQUIRE(document->parameters.size() == 2);
  CHECK(document->parameters[0].component == "shovel");
  CHECK(document->parameters[1].name == "all");
  CHECK(document->passed_over == std::vector<std::string>{"mystery"});
  CHECK(document->queues[0].what.arguments.size() == 1);
  CHECK(document->bindings[0].what.routing_key == "k");
}

TEST_CASE("a mistake is named with its place") {
  CHECK(fault(R"({"queues":{}})") == "queues is a list");
  CHECK(fault(R"({"queues":[7]})") == "queues[0] is an object");
  CHECK(fault(R"({"queues":[{"vhost":"/","name":"a"},{"vhost":"/"}]})") ==
        "queues[1]: name is a text, and has to be there");
  CHECK(fault(R"({"queues":[{"name":"a"}]})") == "queues[0]: vhost is a text, and has to be there");
  CHECK(fault(R"({"queues":[{"vhost":"/","name":"a","durable":1}]})") == "queues[0]: durable is true or false");
  CHECK(fault(R"({"queues":[{"vhost":"/","name":")" + std::string(256, 'x') + R"("}]})") ==
        "queues[0]: name has at most 255 bytes");
  CHECK(fault(R"({"users":[{"name":"u","password_hash":"","hashing_algorithm":"rot13"}]})") ==
        "users[0]: hashing_algorithm 'rot13' is not known");
  CHECK(fault(R"({"users":[{"name":"u","password_hash":"","limits":{"max-shoes":2}}]})").starts_with("users[0]: "));
  CHECK(
      fault(R"({"bindings":[{"vhost":"/","source":"e","destination":"q","destination_type":"x","routing_key":""}]})") ==
      "bindings[0]: destination_type is queue or exchange");
  CHECK(fault(R"({"policies":[{"vhost":"/","name":"p","pattern":"(","definition":{"max-length":1}}]})")
            .starts_with("policies[0]: "));
}

TEST_CASE("a document of one virtual host needs no other names") {
  auto document = parse(R"({"queues":[{"name":"q"}],"users":[{"name":"not looked at"}]})", "v");
  REQUIRE(document);
  CHECK(document->queues[0].vhost == "v");
  CHECK(document->users.empty());
}

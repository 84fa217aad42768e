#include "broker/bridges/rewrite.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::broker::bridges;

namespace {

amqp::Table named(const char* name) {
  amqp::Table entry;
  entry.set("name", std::string(name));
  return entry;
}

std::vector<std::string> names_in(const amqp::Properties& properties, std::string_view header) {
  std::vector<std::string> names;
  for (const amqp::FieldValue& each : *properties.headers->find(header)->get<amqp::FieldArray>()) {
    names.push_back(*each.get<amqp::Table>()->string("name"));
  }
  return names;
}

}  // namespace

TEST_CASE("the newest stands in front of what is there, and replaces what is no list") {
  amqp::Properties properties;
  prepend_header(properties, "x-way", named("one"));
  prepend_header(properties, "x-way", named("two"));
  CHECK(names_in(properties, "x-way") == std::vector<std::string>{"two", "one"});
  properties.headers->set("x-way", std::string("nonsense"));
  prepend_header(properties, "x-way", named("three"));
  CHECK(names_in(properties, "x-way") == std::vector<std::string>{"three"});
}

TEST_CASE("what the operator gives replaces a property, and the others stay") {
  amqp::Properties before;
  before.content_type = "a/b";
  before.message_id = "m";
  before.headers.emplace();
  before.headers->set("mine", std::int64_t{1});
  Rewriting rewriting;
  CHECK_FALSE(rewrites(rewriting));
  rewriting.properties.content_type = "c/d";
  rewriting.properties.delivery_mode = 1;
  rewriting.forward_headers = rewriting.timestamp_header = true;
  CHECK(rewrites(rewriting));
  const auto after = amqp::decode_properties(rewrite(amqp::encode_properties(before), rewriting, named("here")));
  REQUIRE(after);
  CHECK(after->content_type == "c/d");
  CHECK(after->delivery_mode == 1);
  CHECK(after->message_id == "m");
  CHECK(after->headers->find("mine") != nullptr);
  CHECK(names_in(*after, "x-shovelled") == std::vector<std::string>{"here"});
  CHECK(after->headers->find("x-shovelled-timestamp") != nullptr);
}

TEST_CASE("properties that cannot be read are passed on as they are") {
  Rewriting rewriting;
  rewriting.timestamp_header = true;
  CHECK(rewrite("no properties", rewriting, {}) == "no properties");
}

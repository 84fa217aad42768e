#include "broker/server/wiring.h"

#include <catch2/catch.hpp>

using namespace wherry::broker;

TEST_CASE("the greeting says what the broker is, or what it was told to say") {
  const auto own = server_properties({});
  REQUIRE(own.string("product") != nullptr);
  CHECK(*own.string("product") == "Wherry");
  REQUIRE(own.string("version") != nullptr);
  CHECK_FALSE(own.string("version")->empty());

  const auto told = server_properties({.name = "RabbitMQ", .version = {}});
  CHECK(*told.string("product") == "RabbitMQ");
  CHECK(*told.string("version") == *own.string("version"));
  CHECK(*server_properties({.name = {}, .version = "3.10.8"}).string("version") == "3.10.8");
}

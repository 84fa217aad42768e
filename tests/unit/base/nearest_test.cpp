#include "base/nearest.h"

#include <catch2/catch.hpp>

using wherry::nearest;

static const std::vector<std::string> keys = {"queue", "exchange", "routing_key", "priority"};

TEST_CASE("A mistyped word finds the one it was meant to be") {
  CHECK(nearest("quue", keys) == "queue");    // Left out.
  CHECK(nearest("queuee", keys) == "queue");  // Put in.
  CHECK(nearest("qeuue", keys) == "queue");   // Swapped.
  CHECK(nearest("qveue", keys) == "queue");   // Replaced.
  CHECK(nearest("Routing-Key", keys) == "routing_key");
  CHECK(nearest("exchnge", keys) == "exchange");
}

TEST_CASE("A word that is near nothing finds nothing") {
  CHECK(nearest("colour", keys) == std::nullopt);
  CHECK(nearest("", keys) == std::nullopt);
  CHECK(nearest("queue", {}) == std::nullopt);
  CHECK(nearest(std::string(100'000, 'q'), keys) == std::nullopt);
}

TEST_CASE("Of two that are near, the nearer one is found") {
  CHECK(nearest("base", {"bass", "base"}) == "base");
  CHECK(nearest("maxx", {"min", "max", "mix"}) == "max");
}

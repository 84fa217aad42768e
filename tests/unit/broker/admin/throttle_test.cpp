#include "broker/admin/throttle.h"

#include <catch2/catch.hpp>

using wherry::broker::admin::Throttle;

TEST_CASE("ten failed logins within a minute shut an address out until the minute is over") {
  Throttle throttle;
  const Throttle::Clock::time_point begin{};
  for (unsigned i = 0; i < Throttle::most_failures; ++i) {
    CHECK(throttle.allows("a", begin));
    throttle.failed("a", begin);
  }
  CHECK_FALSE(throttle.allows("a", begin + Throttle::window / 2));
  CHECK(throttle.allows("b", begin));
  CHECK(throttle.allows("a", begin + Throttle::window));
  // And everything begins anew.
  throttle.failed("a", begin + Throttle::window);
  CHECK(throttle.allows("a", begin + Throttle::window));
}

TEST_CASE("many addresses take no memory for ever") {
  Throttle throttle;
  const Throttle::Clock::time_point begin{};
  for (std::size_t i = 0; i < 3 * Throttle::most_addresses; ++i) throttle.failed(std::to_string(i), begin);
  for (unsigned i = 0; i < Throttle::most_failures; ++i) throttle.failed("a", begin);
  CHECK_FALSE(throttle.allows("a", begin));
}

#include "base/clock.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace std::chrono_literals;

TEST_CASE("The time until something is rounded up, and nothing when it has passed") {
  const WallTime now(1'000'000'000s);
  CHECK(until(now + 5ms, now) == 5ms);
  CHECK(until(now + 5ms + 1ns, now) == 6ms);
  CHECK(until(now, now) == 0ms);
  CHECK(until(now - 1h, now) == 0ms);
}

TEST_CASE("The ends of the clock's range are as far as they are") {
  const WallTime now(1'000'000'000s);
  CHECK(until(WallTime::min(), now) == 0ms);
  CHECK(until(WallTime::max(), now) > 24h * 365 * 200);
}

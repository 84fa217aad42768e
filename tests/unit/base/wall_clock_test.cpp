// The time of day that a test has taken over.
#include "base/wall_clock.h"

#include <stdexcept>

#include <catch2/catch.hpp>

using namespace wherry;
using namespace std::chrono_literals;

TEST_CASE("The wall clock is the system's until it is set, and again afterwards") {
  CHECK_FALSE(wall_clock_is_set());
  const WallTime begin(1'000'000'000s);
  {
    SetWallClock clock(begin);
    CHECK(wall_clock_is_set());
    CHECK(wall_now() == begin);
    clock.advance(90s);
    CHECK(wall_now() == begin + 90s);
    CHECK_THROWS_AS(SetWallClock(begin), std::logic_error);
    CHECK_THROWS_AS(clock.advance(-1s), std::logic_error);
  }
  CHECK_FALSE(wall_clock_is_set());
  CHECK(wall_now() > begin + 90s);
}

TEST_CASE("Who listens is told when the clock is set, moved and given back, and not afterwards") {
  int moved = 0;
  {
    WallClockListener listener([&] { ++moved; });
    {
      SetWallClock clock(wall_now());
      clock.advance(1s);
    }
    CHECK(moved == 3);
  }
  SetWallClock clock(wall_now());
  CHECK(moved == 3);
}

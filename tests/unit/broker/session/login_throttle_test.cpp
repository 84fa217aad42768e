#include "broker/auth/login_throttle.h"

#include <catch2/catch.hpp>

using Throttle = wherry::broker::LoginThrottle;
using namespace std::chrono_literals;

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

namespace {
void make_guilty(Throttle& throttle, Throttle::Clock::time_point now) {
  for (unsigned i = 0; i < Throttle::most_failures; ++i) throttle.failed("a", now);
}
}  // namespace

TEST_CASE("a guilty address gets a turn a second, others at once") {
  Throttle throttle;
  const Throttle::Clock::time_point begin{};
  CHECK(throttle.turn("a", begin) == begin);
  make_guilty(throttle, begin);
  CHECK(throttle.turn("a", begin) == begin + 1s);
  CHECK(throttle.turn("a", begin) == begin + 2s);
  CHECK(throttle.turn("a", begin + 1s) == begin + 3s);
  CHECK(throttle.turn("b", begin) == begin);
  CHECK(throttle.turn("a", begin + Throttle::window) == begin + Throttle::window);
}

TEST_CASE("however many ask at once, the next turn stays near") {
  Throttle throttle;
  const Throttle::Clock::time_point begin{};
  make_guilty(throttle, begin);
  for (int i = 0; i < 10'000; ++i) throttle.turn("a", begin);
  CHECK(throttle.turn("a", begin + 5s) <= begin + 5s + Throttle::farthest_turn + 2s);
}

TEST_CASE("a login that succeeds clears its address") {
  Throttle throttle;
  const Throttle::Clock::time_point begin{};
  make_guilty(throttle, begin);
  throttle.succeeded("a");
  CHECK(throttle.turn("a", begin) == begin);
  CHECK(throttle.allows("a", begin));
}

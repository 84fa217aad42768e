// What waits for a time of day, by the system's clock and by a test's.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/wall_clock.h"
#include "loop_thread.h"
#include "net/event_loop.h"

using namespace std::chrono_literals;

TEST_CASE("a wall timer fires when the system's time has come") {
  wherry::net::EventLoop loop;
  wherry::net::WallTimer timer(loop);
  const auto at = wherry::wall_now() + 5ms;
  bool early = true;
  timer.set(at, [&] {
    early = std::chrono::system_clock::now() < at;
    loop.stop();
  });
  loop.run();
  CHECK_FALSE(early);
}

TEST_CASE("a wall timer waits for a clock that stands still, and fires when it is moved") {
  wherry::SetWallClock clock(wherry::wall_now());
  wherry::test::LoopThread thread;
  std::vector<std::string> fired;
  struct Timers {
    explicit Timers(wherry::net::EventLoop& loop) : minute(loop), hour(loop), cancelled(loop), past(loop) {}
    wherry::net::WallTimer minute, hour, cancelled, past;
  };
  std::unique_ptr<Timers> timers;
  const auto begin = clock.now();
  std::promise<void> seen_past, seen_minute;
  thread.ask([&] {
    timers = std::make_unique<Timers>(thread.loop());
    timers->minute.set(begin + 1min, [&] {
      fired.push_back("minute");
      seen_minute.set_value();
    });
    timers->hour.set(begin + 1h, [&] { fired.push_back("hour"); });
    timers->cancelled.set(begin + 1min, [&] { fired.push_back("cancelled"); });
    timers->cancelled.cancel();
    timers->past.set(begin, [&] {
      fired.push_back("past");
      seen_past.set_value();
    });
    return 0;
  });
  REQUIRE(seen_past.get_future().wait_for(30s) == std::future_status::ready);
  clock.advance(1min - 1ms);
  CHECK(thread.ask([&] { return thread.loop().wall_now(); }) == begin + 1min - 1ms);
  CHECK(thread.ask([&] { return fired.size(); }) == 1);
  clock.advance(1ms);
  REQUIRE(seen_minute.get_future().wait_for(30s) == std::future_status::ready);
  CHECK(thread.ask([&] { return fired; }) == std::vector<std::string>{"past", "minute"});
  thread.ask([&] {
    timers.reset();
    return 0;
  });
}

TEST_CASE("a wall timer that waited for a test's clock goes on by the system's") {
  wherry::net::EventLoop loop;
  wherry::net::WallTimer timer(loop);
  {
    wherry::SetWallClock clock(wherry::wall_now() - 1h);
    timer.set(clock.now() + 1min, [&] { loop.stop(); });
  }
  loop.run();
}

#include "net/event_loop.h"

#include <csignal>
#include <vector>

#include <catch2/catch.hpp>

#include "loop_thread.h"

using namespace std::chrono_literals;
using wherry::net::EventLoop;
using wherry::net::Timer;

TEST_CASE("posted work runs in the order it was posted, from any thread") {
  EventLoop loop;
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) loop.post([&seen, i] { seen.push_back(i); });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  REQUIRE(seen.size() == 1000);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
}

TEST_CASE("turn-end hooks run once after the handlers of a turn") {
  EventLoop loop;
  std::vector<std::string> seen;
  loop.at_turn_end([&] {
    if (!seen.empty() && seen.back() != "end") seen.push_back("end");
  });
  loop.post([&] { seen.push_back("a"); });
  loop.post([&] {
    seen.push_back("b");
    loop.stop();
  });
  loop.run();
  CHECK(seen == std::vector<std::string>{"a", "b", "end"});
}

TEST_CASE("a timer fires once, and not at all once cancelled, set anew or destroyed") {
  EventLoop loop;
  std::vector<std::string> fired;
  Timer kept(loop), cancelled(loop), moved(loop), last(loop);
  auto destroyed = std::make_unique<Timer>(loop);
  kept.set(1ms, [&] { fired.push_back("kept"); });
  cancelled.set(1ms, [&] { fired.push_back("cancelled"); });
  cancelled.cancel();
  moved.set(1ms, [&] { fired.push_back("first setting"); });
  moved.set(5ms, [&] { fired.push_back("moved"); });
  destroyed->set(1ms, [&] { fired.push_back("destroyed"); });
  destroyed.reset();
  last.set(20ms, [&] { loop.stop(); });
  loop.run();
  CHECK(fired == std::vector<std::string>{"kept", "moved"});
}

TEST_CASE("the time of a turn is never from before the loop slept") {
  EventLoop loop;
  Timer timer(loop);
  const wherry::Monotonic due = loop.now() + 20ms;
  const wherry::WallTime wall_before = loop.wall_now();
  wherry::Monotonic seen{};
  wherry::WallTime wall_seen{};
  timer.set(due, [&] {
    seen = loop.now();
    wall_seen = loop.wall_now();
    loop.stop();
  });
  loop.run();
  CHECK(seen >= due);
  CHECK(wall_seen > wall_before);
}

TEST_CASE("a cancelled timer whose time has come already does not fire") {
  EventLoop loop;
  Timer a(loop), b(loop), last(loop);
  int fired = 0;
  // Both expire before the loop looks; whichever runs first cancels the other.
  a.set(0ms, [&] {
    ++fired;
    b.cancel();
  });
  b.set(0ms, [&] {
    ++fired;
    a.cancel();
  });
  last.set(5ms, [&] { loop.stop(); });
  loop.run();
  CHECK(fired == 1);
}

TEST_CASE("a signal reaches its watch on the loop's thread") {
  EventLoop loop;
  int got = 0;
  wherry::net::SignalWatch watch(loop, {SIGUSR1}, [&](int number) {
    got = number;
    CHECK(loop.on_loop_thread());
    loop.stop();
  });
  loop.post([] { ::raise(SIGUSR1); });
  loop.run();
  CHECK(got == SIGUSR1);
}

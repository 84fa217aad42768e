// Rates and the bounds of autoscale.
#include <thread>

#include <catch2/catch.hpp>

#include "worker/runtime/autoscaler.h"
#include "worker/runtime/throttle.h"
#include "worker/settings/rate.h"

using namespace wherry;
using namespace wherry::worker;
using namespace std::chrono_literals;

namespace {

struct ThrottleBench {
  net::EventLoop loop;
  std::vector<std::string> released;
  std::size_t wanted = 0;
  Throttle throttle{loop, [this](const AttemptRef& attempt) {
                      released.push_back(attempt->id());
                      if (released.size() == wanted) loop.stop();
                    }};
  AttemptRef make(const std::string& name, const std::string& id) {
    return std::make_shared<Attempt>(std::make_shared<const Attempt::Ways>(loop, std::make_shared<Gate>(loop)),
                                     sdk::Delivery{}, task::Task{.name = name, .id = id});
  }
  void run_until(std::size_t count) {
    wanted = count;
    loop.run();
  }
};

}  // namespace

TEST_CASE("A rate is written as Celery's users write it") {
  CHECK(*parse_rate("10") == 10);
  CHECK(*parse_rate("0.5/s") == 0.5);
  CHECK(*parse_rate("30/m") == 0.5);
  CHECK(*parse_rate("36/h") == Approx(0.01));
  CHECK(*parse_rate("") == 0);
  CHECK(*parse_rate("0") == 0);
  for (const char* wrong : {"often", "10/d", "-1/s", "10 /s", "inf", "nan", "1e99"}) CHECK_FALSE(parse_rate(wrong));
}

TEST_CASE("What comes faster than its rate waits its turn, in order; other names do not") {
  ThrottleBench bench;
  bench.throttle.set_rate("slow", 20);
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(bench.throttle.add(bench.make("slow", "1")));
  CHECK(bench.throttle.add(bench.make("slow", "2")));
  CHECK(bench.throttle.add(bench.make("slow", "3")));
  CHECK_FALSE(bench.throttle.add(bench.make("other", "4")));
  CHECK(bench.throttle.waiting() == 2);
  bench.run_until(2);
  CHECK(bench.released == std::vector<std::string>{"2", "3"});
  CHECK(std::chrono::steady_clock::now() - began >= 100ms);
}

TEST_CASE("Without its limit all that waited runs; what is forgotten never does") {
  ThrottleBench bench;
  bench.throttle.set_rate("slow", 0.001);
  for (const char* id : {"1", "2", "3", "4"}) bench.throttle.add(bench.make("slow", id));
  CHECK(bench.throttle.forget([](const AttemptRef& each) { return each->id() == "3"; }) == 1);
  bench.throttle.set_rate("slow", 0);
  CHECK(bench.released == std::vector<std::string>{"2", "4"});
  CHECK_FALSE(bench.throttle.add(bench.make("slow", "5")));
}

TEST_CASE("A faster rate counts at once") {
  ThrottleBench bench;
  bench.throttle.set_rate("slow", 0.001);
  bench.throttle.add(bench.make("slow", "1"));
  bench.throttle.add(bench.make("slow", "2"));
  bench.throttle.set_rate("slow", 100);
  bench.run_until(1);
  CHECK(bench.released == std::vector<std::string>{"2"});
}

TEST_CASE("Autoscale goes up at once, and down when it has been quiet for a while") {
  Autoscaler scaler(2, 5);
  Monotonic now{1h};
  CHECK(scaler.wanted(2, 0, now) == 2);
  CHECK(scaler.wanted(2, 4, now) == 4);
  CHECK(scaler.wanted(4, 9, now) == 5);
  CHECK(scaler.wanted(5, 1, now + 29s) == 5);
  CHECK(scaler.wanted(5, 1, now + 31s) == 2);
  CHECK(scaler.wanted(5, 3, now + 31s) == 3);
  CHECK(scaler.wanted(1, 0, now) == 2);  // Bounds that were changed.
  CHECK(scaler.wanted(8, 20, now) == 5);
}

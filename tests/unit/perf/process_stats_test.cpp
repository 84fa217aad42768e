#include "perf/process_stats.h"

#include <chrono>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/clock.h"

using namespace wherry::perf;

namespace {

void work_for(double seconds) {
  const std::uint64_t end = now_ns() + to_ns(seconds);
  volatile unsigned turns = 0;
  while (now_ns() < end) turns = turns + 1;
}

}  // namespace

TEST_CASE("A process that does not exist cannot be watched") {
  // Above the largest number that Linux gives away.
  const auto watch = ProcessWatch::of({1 << 23});
  REQUIRE_FALSE(watch);
  CHECK_THAT(watch.error().message, Catch::Contains("no such process"));
}

TEST_CASE("Without a process there are no figures of one") {
  const ProcessWatch nothing;
  Meter meter(nothing);
  meter.start();
  const Usage usage = meter.stop();
  CHECK_FALSE(usage.before.valid);
  CHECK(usage.wall_us > 0);
}

TEST_CASE("Processor time and memory are those of the process and its children") {
  const auto watch = ProcessWatch::of({::getpid()});
  REQUIRE(watch);
  Meter meter(*watch);
  meter.start();
  const pid_t child = ::fork();
  if (child == 0) {
    work_for(0.1);
    ::pause();
    ::_exit(0);
  }
  work_for(0.05);
  // The child's time is seen once it has worked: waited for, however slow the machine is.
  const std::uint64_t deadline = now_ns() + to_ns(20);
  Usage usage = meter.stop();
  while (usage.cpu_us() < 120'000 && now_ns() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    usage = meter.stop();
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(usage.before.valid);
  CHECK(usage.cpu_us() >= 120'000);
  CHECK(usage.own_us >= 40'000);
  CHECK(usage.own_us < usage.cpu_us());
  CHECK(usage.after.memory_kb > 100);
  CHECK(usage.after.threads >= 2);
}

#include "broker/server/resource_watch.h"

#include <atomic>

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::broker;
using std::chrono::milliseconds;

namespace {

// A machine whose figures a test sets.
struct Figures {
  std::atomic<std::uint64_t> resident{100};
  std::uint64_t given_back = 0;  // What giving back takes off.
  int attempts = 0;
  std::atomic<std::uint64_t> disk{1000};
  bool disk_known = true;
  std::optional<Monotonic> sync;
  std::shared_ptr<Alarms> alarms = std::make_shared<Alarms>();

  ResourceWatch watch(WatchConfig config) {
    WatchProbes probes;
    probes.resident = [this] { return resident.load(); };
    probes.give_back = [this](std::uint64_t) {
      ++attempts;
      resident -= given_back;
      return true;
    };
    probes.disk_free = [this]() -> std::optional<std::uint64_t> {
      if (!disk_known) return std::nullopt;
      return disk.load();
    };
    probes.syncs.emplace_back([this] { return sync; });
    return ResourceWatch(std::move(config), std::move(probes), alarms);
  }
};

const Monotonic start = Monotonic{} + std::chrono::hours(1);

}  // namespace

TEST_CASE("memory above its mark raises the alarm, 5 % below clears it") {
  Figures figures;
  ResourceWatch watch = figures.watch({.memory_mark = 1000, .disk_free_limit = 0, .data_dir = "x"});
  watch.look(start);
  CHECK(figures.alarms->reason().empty());
  figures.resident = 1000;
  watch.look(start);
  CHECK(figures.alarms->reason().empty());
  figures.resident = 1001;
  watch.look(start);
  CHECK(figures.alarms->reason() == "low on memory");
  figures.resident = 960;
  watch.look(start);
  CHECK(figures.alarms->raised(Alarm::memory));
  figures.resident = 949;
  watch.look(start);
  CHECK_FALSE(figures.alarms->raised(Alarm::memory));
}

TEST_CASE("memory is short above 70 % of its mark, until it is below 60 %") {
  Figures figures;
  ResourceWatch watch = figures.watch({.memory_mark = 1000, .disk_free_limit = 0, .data_dir = "x"});
  const auto is_short = [&](std::uint64_t resident) {
    figures.resident = resident;
    watch.look(start);
    CHECK(figures.alarms->reason().empty());
    return figures.alarms->memory_short();
  };
  CHECK_FALSE(is_short(700));
  CHECK(is_short(701));
  CHECK(is_short(600));
  CHECK_FALSE(is_short(599));
}

TEST_CASE("freed memory that is resident still is given back before anybody waits, and not all the time") {
  Figures figures;
  figures.resident = 1500;
  figures.given_back = 1000;
  ResourceWatch watch = figures.watch({.memory_mark = 1000, .disk_free_limit = 0, .data_dir = "x"});
  watch.look(start);
  CHECK(figures.attempts == 1);
  CHECK_FALSE(figures.alarms->raised(Alarm::memory));
  figures.given_back = 0;
  figures.resident = 1500;
  watch.look(start + milliseconds(100));
  CHECK(figures.attempts == 1);
  CHECK(figures.alarms->raised(Alarm::memory));
  watch.look(start + std::chrono::seconds(6));
  CHECK(figures.attempts == 2);
  // Between the mark and where the alarm ends, too: what was freed may be all that is missing.
  figures.resident = 990;
  figures.given_back = 100;
  watch.look(start + std::chrono::seconds(12));
  CHECK(figures.attempts == 3);
  CHECK_FALSE(figures.alarms->raised(Alarm::memory));
}

TEST_CASE("a mark of nothing blocks for good") {
  Figures figures;
  ResourceWatch watch = figures.watch({.memory_mark = 0, .disk_free_limit = 0, .data_dir = "x"});
  watch.look(start);
  CHECK(figures.alarms->raised(Alarm::memory));
}

TEST_CASE("too little room on the disk raises the alarm, 5 % more clears it") {
  Figures figures;
  ResourceWatch watch = figures.watch({.memory_mark = 1000, .disk_free_limit = 100, .data_dir = "x"});
  watch.look(start);
  figures.disk = 100;
  watch.look(start);
  CHECK(figures.alarms->reason().empty());
  figures.disk = 99;
  watch.look(start);
  CHECK(figures.alarms->reason() == "low on disk");
  figures.disk = 101;
  watch.look(start);
  CHECK(figures.alarms->raised(Alarm::disk));
  figures.disk = 105;
  watch.look(start);
  CHECK_FALSE(figures.alarms->raised(Alarm::disk));
}

TEST_CASE("a disk that cannot be asked, or is not watched, raises nothing") {
  Figures figures;
  figures.disk = 0;
  figures.disk_known = false;
  ResourceWatch asked_in_vain = figures.watch({.memory_mark = 1000, .disk_free_limit = 100, .data_dir = "x"});
  asked_in_vain.look(start);
  figures.disk_known = true;
  ResourceWatch not_watching = figures.watch({.memory_mark = 1000, .disk_free_limit = 0, .data_dir = "x"});
  not_watching.look(start);
  CHECK(figures.alarms->reason().empty());
}

TEST_CASE("the nearer a limit is the more often it is looked at") {
  Figures figures;
  constexpr std::uint64_t mib = 1u << 20;
  figures.disk = 10'000 * mib;
  ResourceWatch watch = figures.watch({.memory_mark = 4000 * mib, .disk_free_limit = 50 * mib, .data_dir = "x"});
  CHECK(watch.look(start) == milliseconds(1000));
  figures.resident = 2500 * mib;
  CHECK(watch.look(start) == milliseconds(300));
  figures.resident = 3700 * mib;
  CHECK(watch.look(start) == milliseconds(300));
  figures.disk = 100 * mib;
  CHECK(watch.look(start) == milliseconds(50));
  figures.disk = 51 * mib;
  CHECK(watch.look(start) == milliseconds(20));
  figures.disk = 49 * mib;
  figures.resident = 100 * mib;
  CHECK(watch.look(start) == milliseconds(100));
}

TEST_CASE("a sync that takes too long is noticed once, and the next one again") {
  Figures figures;
  ResourceWatch watch = figures.watch(
      {.memory_mark = 8ull << 30, .disk_free_limit = 0, .data_dir = "x", .stall_warning = milliseconds(1000)});
  figures.sync = start;
  watch.look(start + milliseconds(999));
  CHECK(figures.alarms->disk_stalls() == 0);
  CHECK(watch.look(start + milliseconds(1000)) == milliseconds(100));
  watch.look(start + milliseconds(5000));
  CHECK(figures.alarms->disk_stalls() == 1);
  figures.sync = start + milliseconds(5500);
  watch.look(start + milliseconds(6000));
  CHECK(figures.alarms->disk_stalls() == 1);
  watch.look(start + milliseconds(6600));
  CHECK(figures.alarms->disk_stalls() == 2);
  CHECK(figures.alarms->disk_stalled());
  CHECK(figures.alarms->reason().empty());
  figures.sync.reset();
  CHECK(watch.look(start + milliseconds(7000)) == milliseconds(1000));
  CHECK_FALSE(figures.alarms->disk_stalled());
}

TEST_CASE("in the background it looks by itself") {
  Figures figures;
  std::mutex mutex;
  std::condition_variable changed;
  std::string reason;
  figures.alarms->on_change([&](const std::string& now) {
    const std::lock_guard lock(mutex);
    reason = now;
    changed.notify_one();
  });
  ResourceWatch watch = figures.watch({.memory_mark = 1000, .disk_free_limit = 0, .data_dir = "x"});
  figures.resident = 2000;
  watch.start();
  const auto is = [&](const char* wanted) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60), [&] { return reason == wanted; });
  };
  CHECK(is("low on memory"));
  figures.resident = 10;
  CHECK(is(""));
}

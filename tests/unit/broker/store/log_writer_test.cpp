#include "broker/store/log_writer.h"

#include <random>

#include <catch2/catch.hpp>

#include "broker/store/power_loss_vfs.h"

using namespace wherry::broker;

namespace {

std::unique_ptr<Log> opened(Vfs& disk, std::vector<std::string>* read = nullptr) {
  auto log = Log::open(disk, {.folder = "log", .file_bytes = 65536}, [&](const LogRecord& record) {
    if (read != nullptr) read->emplace_back(record.payload);
  });
  if (!log) FAIL(log.error().message);
  return std::move(*log);
}

// What the events said, for another thread to wait for.
struct Seen {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t durable = 0;
  bool in_order = true;
  int failures = 0;

  LogWriter::Events events() {
    return {.durable =
                [this](std::uint64_t lsn) {
                  const std::lock_guard lock(mutex);
                  in_order = in_order && lsn > durable;
                  durable = lsn;
                  changed.notify_all();
                },
            .failed =
                [this](const DiskError&) {
                  const std::lock_guard lock(mutex);
                  ++failures;
                  changed.notify_all();
                }};
  }
  std::uint64_t durable_now() {
    const std::lock_guard lock(mutex);
    return durable;
  }
  template <class Condition>
  void wait(Condition condition) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(60), condition));
  }
};

}  // namespace

TEST_CASE("what a writer reported durable survives a power cut beside its thread") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    PowerLossVfs disk(seed);
    REQUIRE(disk.make_folder("log"));
    std::mt19937_64 random(seed);
    std::vector<std::string> written;
    std::unique_ptr<PowerLossVfs> after;
    std::uint64_t durable = 0;
    Seen seen;
    {
      LogWriter writer(opened(disk), seen.events());
      const std::size_t cut = random() % 400;
      for (std::size_t step = 0; step < 400; ++step) {
        written.push_back(std::string(random() % 600, static_cast<char>('a' + random() % 26)));
        REQUIRE(writer.append(1, written.back()) == written.size());
        if (random() % 4 == 0) writer.commit();
        if (step == cut) {
          if (random() % 2 == 0) {
            writer.commit();
            seen.wait([&] { return seen.durable == written.size(); });
          }
          durable = seen.durable_now();
          after = disk.crash();
        }
      }
    }
    CHECK(seen.in_order);
    CHECK(seen.durable == written.size());
    std::vector<std::string> read;
    opened(*after, &read);
    REQUIRE(read.size() >= durable);
    REQUIRE(read.size() <= written.size());
    REQUIRE(std::equal(read.begin(), read.end(), written.begin()));
    read.clear();
    opened(disk, &read);
    REQUIRE(read == written);
  }
}

TEST_CASE("after a failed sync nothing becomes durable, and the writer says so once") {
  PowerLossVfs disk(1);
  REQUIRE(disk.make_folder("log"));
  Seen seen;
  {
    LogWriter writer(opened(disk), seen.events());
    writer.append(1, "durable");
    writer.commit();
    seen.wait([&] { return seen.durable == 1; });
    disk.fail_from(1);
    writer.append(1, "lost");
    writer.commit();
    seen.wait([&] { return seen.failures == 1; });
    disk.heal();
    writer.append(1, "too late");
    writer.commit();
  }
  CHECK(seen.failures == 1);
  CHECK(seen.durable == 1);
}

TEST_CASE("a writer retires files behind the records that are still needed") {
  PowerLossVfs disk(1);
  REQUIRE(disk.make_folder("log"));
  Seen seen;
  {
    LogWriter writer(opened(disk), seen.events());
    std::uint64_t last = 0;
    for (int step = 0; step < 40; ++step) {
      last = writer.append(1, std::string(20000, 'x'));
      writer.commit();
      seen.wait([&] { return seen.durable == last; });
      writer.retire_below(last);
    }
  }
  std::vector<std::string> read;
  opened(disk, &read);
  CHECK(!read.empty());
  CHECK(read.size() <= 6);
}

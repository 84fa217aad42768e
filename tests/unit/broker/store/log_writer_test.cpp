#include "broker/store/log_writer.h"

#include <random>

#include <catch2/catch.hpp>

#include "broker/store/memory_vfs.h"
#include "broker/store/power_loss_vfs.h"
#include "tests/unit/broker/store/forwarding_vfs.h"

using namespace wherry::broker;

namespace {

std::unique_ptr<Log> opened(Vfs& disk, std::vector<std::string>* read = nullptr) {
  auto log = Log::open(disk, {.folder = "log", .file_bytes = 65536}, [&](const LogRecord& record) {
    if (read != nullptr) read->emplace_back(record.payload);
  });
  if (!log) FAIL(log.error().message);
  return std::move(*log);
}

// A disk that has no room for new files while somebody says so.
class CrampedVfs final : public test::ForwardingVfs {
 public:
  using ForwardingVfs::ForwardingVfs;
  std::atomic<bool> full = false;

  DiskResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    if (full && mode == OpenMode::create) return disk_error("create", path, std::errc::no_space_on_device);
    return ForwardingVfs::open(path, mode);
  }
};

// A disk whose syncs wait while somebody says so.
class StallingVfs final : public test::ForwardingVfs {
 public:
  using ForwardingVfs::ForwardingVfs;
  std::atomic<bool> stalls = false;

  DiskResult<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    auto file = ForwardingVfs::open(path, mode);
    if (!file) return file;
    return std::make_unique<StallingFile>(*this, std::move(*file));
  }

 private:
  struct StallingFile final : File {
    StallingFile(StallingVfs& its_disk, std::unique_ptr<File> its_file) : disk(its_disk), file(std::move(its_file)) {}
    DiskResult<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t count) override {
      return file->read_at(offset, into, count);
    }
    DiskResult<void> write_at(std::uint64_t offset, std::string_view bytes) override {
      return file->write_at(offset, bytes);
    }
    DiskResult<void> preallocate(std::uint64_t bytes) override { return file->preallocate(bytes); }
    DiskResult<std::uint64_t> size() override { return file->size(); }
    DiskResult<void> sync() override {
      while (disk.stalls) std::this_thread::yield();
      return file->sync();
    }
    StallingVfs& disk;
    std::unique_ptr<File> file;
  };
};

// What the events said, for another thread to wait for.
struct Seen {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t durable = 0;
  bool in_order = true;
  int failures = 0;

  LogWriter* writer = nullptr;
  int rounds_full = 0;
  bool full = false;

  LogWriter::Events events() {
    return {.progress =
                [this] {
                  const std::lock_guard lock(mutex);
                  const std::uint64_t lsn = writer->progress().done_lsn;
                  in_order = in_order && lsn >= durable;
                  durable = lsn;
                  changed.notify_all();
                },
            .failed =
                [this](const DiskError&) {
                  const std::lock_guard lock(mutex);
                  ++failures;
                  changed.notify_all();
                },
            .full =
                [this](bool now) {
                  const std::lock_guard lock(mutex);
                  full = now;
                  if (now) ++rounds_full;
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
      seen.writer = &writer;
      const std::size_t cut = random() % 400;
      for (std::size_t step = 0; step < 400; ++step) {
        written.push_back(std::string(random() % 600, static_cast<char>('a' + random() % 26)));
        REQUIRE(writer.append(1, {written.back()}) == written.size());
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
    seen.writer = &writer;
    writer.append(1, {"durable"});
    writer.commit();
    seen.wait([&] { return seen.durable == 1; });
    disk.fail_from(1);
    writer.append(1, {"lost"});
    writer.commit();
    seen.wait([&] { return seen.failures == 1; });
    disk.heal();
    writer.append(1, {"too late"});
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
    seen.writer = &writer;
    std::uint64_t last = 0;
    for (int step = 0; step < 40; ++step) {
      last = writer.append(1, {std::string(20000, 'x')});
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

TEST_CASE("a full disk is waited for, and what could not be written is written when there is room") {
  PowerLossVfs whole(1);
  CrampedVfs disk(whole);
  REQUIRE(disk.make_folder("log"));
  Seen seen;
  {
    LogWriter writer(opened(disk), seen.events());
    seen.writer = &writer;
    disk.full = true;
    // More than the file that is there takes: a new one must be made.
    std::uint64_t last = 0;
    for (int step = 0; step < 8; ++step) {
      last = writer.append(1, {std::string(20000, 'x')});
      writer.commit();
    }
    seen.wait([&] { return seen.full; });
    CHECK(writer.waiting_bytes() > 0);
    disk.full = false;
    seen.wait([&] { return seen.durable == last && !seen.full; });
    CHECK(writer.waiting_bytes() == 0);
  }
  CHECK(seen.failures == 0);
  std::vector<std::string> read;
  opened(disk, &read);
  CHECK(read.size() == 8);
}

TEST_CASE("others see since when a disk has been busy, and that it is not any more") {
  PowerLossVfs real(1);
  REQUIRE(real.make_folder("log"));
  StallingVfs disk(real);
  Seen seen;
  LogWriter writer(opened(disk), seen.events());
  seen.writer = &writer;
  CHECK_FALSE(writer.sync_began());
  const wherry::Monotonic before = std::chrono::steady_clock::now();
  disk.stalls = true;
  const std::uint64_t lsn = writer.append(1, {"slow"});
  writer.commit();
  std::optional<wherry::Monotonic> began;
  while (!began) began = writer.sync_began();
  CHECK(*began >= before);
  CHECK(*began <= std::chrono::steady_clock::now());
  CHECK(writer.sync_began() == began);
  disk.stalls = false;
  seen.wait([&] { return seen.durable == lsn; });
  while (writer.sync_began()) std::this_thread::yield();
}

TEST_CASE("nothing of a turn is done, or synced, before the last of the turn is written") {
  PowerLossVfs disk(1);
  REQUIRE(disk.make_folder("log"));
  LogWriter writer(opened(disk), {[] {}, [](const DiskError& error) { FAIL(error.message); }},
                   LogWriter::Threads::none);
  const auto done = [&] {
    while (writer.work()) {
    }
    return writer.progress().done_lsn;
  };
  writer.append(1, {"a turn"});
  writer.commit();
  CHECK(done() == 1);
  SECTION("which was handed over in parts") {
    writer.append(1, {"wants a sync"});
    writer.hand_over();
    CHECK(done() == 1);
    writer.append(1, {"does not"}, LogWriter::Sync::not_wanted);
    writer.commit();
    CHECK(done() == 3);
    // Before that nobody was told that the first part is done, and it could have been lost together with the other.
    CHECK(writer.progress().synced_lsn == 3);
  }
  SECTION("whose last part there is nothing to add to") {
    writer.append(1, {"all of it"});
    writer.hand_over();
    CHECK(done() == 1);
    writer.hand_over();
    writer.commit();
    CHECK(done() == 2);
    writer.commit();
    CHECK_FALSE(writer.work());
  }
  SECTION("which was more than is handed over at once") {
    for (int n = 0; n < 100; ++n) writer.append(1, {std::string(5000, 'x')});
    CHECK(writer.waiting_bytes() > 0);
    CHECK(done() == 1);
    CHECK(writer.waiting_bytes() == 0);
    writer.commit();
    CHECK(done() == 101);
  }
}

TEST_CASE("what is handed over at once fills files of the usual size, and only a record that fits none gets its own") {
  MemoryVfs disk;
  REQUIRE(disk.make_folder("log"));
  LogWriter writer(opened(disk), {[] {}, [](const DiskError& error) { FAIL(error.message); }},
                   LogWriter::Threads::none);
  const std::string payload(5000, 'x');
  for (int n = 0; n < 100; ++n) writer.append(1, {payload});
  writer.commit();
  while (writer.work()) {
  }
  const auto sizes = [&] {
    std::map<std::uint64_t, int> count;
    const auto names = disk.list("log");
    for (const std::string& name : *names) ++count[*(*disk.open("log/" + name, OpenMode::read))->size()];
    return count;
  };
  CHECK(sizes().size() == 1);
  CHECK(sizes()[65536] >= 9);
  writer.append(1, {std::string(100'000, 'x')});
  writer.commit();
  while (writer.work()) {
  }
  CHECK(sizes().size() == 2);
}

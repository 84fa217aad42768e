#include "broker/store/log.h"

#include <random>

#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "broker/store/memory_vfs.h"
#include "broker/store/power_loss_vfs.h"

using namespace wherry::broker;

namespace {

struct Kept {
  std::uint64_t lsn = 0;
  std::string payload;
  bool operator==(const Kept&) const = default;
};
using Records = std::vector<Kept>;

constexpr std::uint64_t small_file = 16384;

Log::Options options(std::mt19937_64& random) {
  return {.folder = "log", .file_bytes = small_file, .random = [&random] { return random(); }};
}

DiskResult<std::unique_ptr<Log>> open(Vfs& disk, std::mt19937_64& random, Records& read) {
  read.clear();
  return Log::open(disk, options(random), [&](const LogRecord& record) {
    read.push_back({record.lsn, std::string(record.payload)});
  });
}

std::unique_ptr<Log> opened(Vfs& disk, std::mt19937_64& random, Records& read) {
  auto log = open(disk, random, read);
  if (!log) FAIL(log.error().message);
  return std::move(*log);
}

// What was written and what became of it, through any number of crashes.
struct Ledger {
  Records written;            // Those that may be found, in order.
  std::uint64_t durable = 0;  // Up to here they must be.
  std::uint64_t retired = 0;  // Below it they need not be.

  void check(const Records& read) const {
    std::size_t at = 0;
    while (at < written.size() && (read.empty() || written[at].lsn < read.front().lsn)) ++at;
    for (std::size_t skipped = 0; skipped < at; ++skipped) {
      const std::uint64_t lsn = written[skipped].lsn;
      if (lsn >= retired && lsn <= durable) FAIL("record " << lsn << " was durable and is gone");
    }
    for (const Kept& one : read) {
      REQUIRE(at < written.size());
      REQUIRE(one == written[at]);
      ++at;
    }
    if (at < written.size() && written[at].lsn <= durable) REQUIRE(written[at].lsn < retired);
  }
};

// Writes, syncs and retires until the disk fails or the steps are done.
void work(Log& log, Ledger& ledger, std::mt19937_64& random, int steps) {
  for (int step = 0; step < steps; ++step) {
    const auto choice = random() % 10;
    if (choice < 6) {
      BatchBuilder batch;
      for (std::size_t count = 1 + random() % 5; count > 0; --count) {
        const std::size_t size = random() % 40 == 0 ? 20000 : random() % 1500;
        const std::string payload(size, static_cast<char>('a' + random() % 26));
        batch.add(1, payload);
        ledger.written.push_back({log.last_lsn() + batch.records(), payload});
      }
      if (!log.write(batch)) return;
    } else if (choice < 9) {
      if (!log.sync()) return;
    } else {
      ledger.retired = std::max(ledger.retired, log.durable_lsn() - std::min(log.durable_lsn(), random() % 20));
      if (!log.retire_below(ledger.retired)) return;
    }
    ledger.durable = std::max(ledger.durable, log.durable_lsn());
  }
}

}  // namespace

TEST_CASE(
    "through any number of kills and power cuts every durable record is read once, in order, and nothing is invented") {
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    auto disk = std::make_unique<PowerLossVfs>(seed);
    REQUIRE(disk->make_folder("log"));
    Ledger ledger;
    for (int life = 0; life < 5; ++life) {
      if (random() % 2 == 0) disk->fail_from(random() % 60);
      Records read;
      auto log = open(*disk, random, read);
      if (log) {
        ledger.check(read);
        REQUIRE((*log)->found().damage.empty());
        ledger.written = read;
        ledger.durable = std::max(ledger.durable, read.empty() ? 0 : read.back().lsn);
        work(**log, ledger, random, static_cast<int>(random() % 40));
      }
      log = tl::unexpected(DiskError{});
      // A kill leaves what was written, synced or not; a power cut does not.
      if (random() % 3 == 0) {
        disk->heal();
      } else {
        disk = disk->crash();
      }
    }
    Records read;
    const auto log = opened(*disk, random, read);
    ledger.check(read);
    REQUIRE(log->found().damage.empty());
  }
}

TEST_CASE("a flipped bit below the durable mark is reported, and costs one batch at most") {
  int reported = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    PowerLossVfs disk(seed);
    REQUIRE(disk.make_folder("log"));
    Records all;
    auto log = opened(disk, random, all);
    for (int step = 0; step < 20; ++step) {
      BatchBuilder batch;
      for (int count = 0; count < 3; ++count) {
        all.push_back({log->last_lsn() + batch.records() + 1, std::string(random() % 1500, 'x')});
        batch.add(1, all.back().payload);
      }
      REQUIRE(log->write(batch));
      REQUIRE(log->sync());
    }
    REQUIRE(log->close());
    log.reset();
    const auto names = *disk.list("log");
    disk.flip_bit("log/" + names[random() % names.size()], 0, small_file);

    for (int start = 0; start < 2; ++start) {
      Records read;
      const auto contents = read_log(disk, "log", [&](const LogRecord& one) {
        read.push_back({one.lsn, std::string(one.payload)});
      });
      REQUIRE(contents);
      std::vector<std::uint64_t> lost;
      std::size_t at = 0;
      for (const Kept& one : all) {
        if (at < read.size() && read[at] == one) {
          ++at;
        } else {
          lost.push_back(one.lsn);
        }
      }
      REQUIRE(at == read.size());
      REQUIRE(lost.size() <= 3);
      for (const std::uint64_t lsn : lost) {
        bool named = false;
        for (const LogDamage& damage : contents->damage) {
          named = named || (damage.first_lsn <= lsn && lsn <= damage.last_lsn && damage.begin < damage.end);
        }
        REQUIRE(named);
      }
      if (!lost.empty()) ++reported;
      // The second time behind a file that a restart began: still reported, and nothing else is lost.
      Records again;
      if (start == 0) opened(disk, random, again);
    }
  }
  CHECK(reported > 100);
}

TEST_CASE("retired files are written again, oldest first, and the folder does not grow") {
  std::mt19937_64 random(1);
  MemoryVfs disk;
  REQUIRE(disk.make_folder("log"));
  Records read;
  const auto log = opened(disk, random, read);
  BatchBuilder batch;
  for (int step = 0; step < 200; ++step) {
    batch.add(1, std::string(3000, 'x'));
    REQUIRE(log->write(batch));
    REQUIRE(log->sync());
    REQUIRE(log->retire_below(log->durable_lsn()));
    REQUIRE(log->files() <= 2);
    REQUIRE(disk.list("log")->size() <= 4);
  }
}

TEST_CASE("a log of a newer version is refused and left as it is") {
  std::mt19937_64 random(1);
  MemoryVfs disk;
  REQUIRE(disk.make_folder("log"));
  Records read;
  opened(disk, random, read);
  const std::string path = "log/" + log_file_name(1);
  auto file = std::move(*disk.open(path, OpenMode::write));
  std::string header = encode_log_header({.sequence = 1, .file_id = 1, .first_lsn = 1});
  header[9] = 2;
  const std::uint32_t checksum = wherry::crc32c(std::string_view(header).substr(0, 48));
  wherry::store_big(header.data() + 48, checksum);
  REQUIRE(file->write_at(0, header));
  const auto names = *disk.list("log");
  const auto refused = open(disk, random, read);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == std::errc::not_supported);
  CHECK(*disk.list("log") == names);
}

TEST_CASE("a log that is full says so before the batch is promised, and what was durable is there afterwards") {
  std::mt19937_64 random(1);
  PowerLossVfs disk(1);
  REQUIRE(disk.make_folder("log"));
  Records read;
  auto log = opened(disk, random, read);
  BatchBuilder batch;
  batch.add(1, "kept");
  REQUIRE(log->write(batch));
  REQUIRE(log->sync());
  disk.fail_from(0, std::errc::no_space_on_device);
  batch.add(1, std::string(small_file, 'x'));
  const auto full = log->write(batch);
  REQUIRE_FALSE(full);
  CHECK(full.error().code == std::errc::no_space_on_device);
  CHECK(log->durable_lsn() == 1);
  log.reset();
  disk.heal();
  opened(disk, random, read);
  CHECK(read == Records{{1, "kept"}});
}

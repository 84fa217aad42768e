#include "broker/ctl/repair.h"

#include <catch2/catch.hpp>

#include "broker/store/disk_store.h"
#include "tests/unit/broker/ctl/filled_store.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

struct Bench {
  explicit Bench(std::uint64_t from) : random(from) {
    MemoryVfs disk;
    fill_store(disk, from);
    whole = files_of(disk);
  }
  // Flips so many bits in one file that is in use.
  void damage(unsigned bits) {
    damaged = whole;
    std::vector<std::string> used;
    for (const auto& [path, bytes] : damaged) {
      if (!path.ends_with(".spare")) used.push_back(path);
    }
    hit = used[random() % used.size()];
    for (unsigned n = 0; n < bits; ++n) {
      std::string& bytes = damaged[hit];
      bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    }
  }
  // What is left when what the findings say is lost is lost.
  Kept without(const std::vector<Finding>& findings) const {
    std::set<std::uint64_t> records;
    for (const Finding& finding : findings) {
      for (std::uint64_t lsn = finding.first_lsn; lsn <= finding.last_lsn; ++lsn) records.insert(lsn);
    }
    MemoryVfs disk;
    put_files(disk, whole);
    Kept kept = kept_in(disk, records);
    for (const Finding& finding : findings) {
      for (const QueuePositions& each : finding.lost) {
        for (Position at : each.positions) REQUIRE(kept.erase({each.queue, at}) == 1);
      }
    }
    return kept;
  }
  RepairOptions options() {
    return {.random = [this] { return random(); }};
  }

  std::mt19937_64 random;
  std::map<std::string, std::string> whole;
  std::map<std::string, std::string> damaged;
  std::string hit;
};

void be_whole(Vfs& disk) {
  ShardCheck again(disk, shard);
  REQUIRE(again.read([](std::uint64_t) {}));
  for (const Finding& finding : again.findings()) {
    UNSCOPED_INFO(finding.file << ' ' << finding.begin << ' ' << finding.end << ' ' << describe(finding, {}));
  }
  REQUIRE(again.findings().empty());
}

}  // namespace

TEST_CASE("after a repair the store is whole, and what was said to be lost is all that is") {
  std::uint64_t repaired = 0;
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Bench bench(seed);
    bench.damage(1);
    INFO("seed " << seed << ", " << bench.hit);
    MemoryVfs disk;
    put_files(disk, bench.damaged);
    ShardCheck check(disk, shard);
    REQUIRE(check.read([](std::uint64_t) {}));
    if (check.findings().empty()) continue;
    ++repaired;
    const Kept expected = bench.without(check.findings());
    const auto outcome = repair_shard(disk, check, bench.options());
    REQUIRE(outcome);
    be_whole(disk);
    CHECK(kept_in(disk) == expected);
    lost += bench.without({}).size() - expected.size();
    // The damaged ranges are kept aside, byte for byte.
    REQUIRE(outcome->copies.size() == check.findings().size());
    for (std::size_t n = 0; n < outcome->copies.size(); ++n) {
      const Finding& finding = check.findings()[n];
      CHECK(files_of(disk).at(outcome->copies[n]) ==
            bench.damaged.at(finding.file).substr(finding.begin, finding.end - finding.begin));
    }
    CHECK_FALSE(files_of(disk).contains(bench.hit));
  }
  CHECK(repaired > 100);
  CHECK(lost > 20);
}

TEST_CASE("a broker that starts after a repair finds what is left, and no damage") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Bench bench(seed);
    bench.damage(1);
    INFO("seed " << seed << ", " << bench.hit);
    MemoryVfs disk;
    put_files(disk, bench.damaged);
    ShardCheck check(disk, shard);
    REQUIRE(check.read([](std::uint64_t) {}));
    REQUIRE(repair_shard(disk, check, bench.options()));
    Kept expected = kept_in(disk);
    DiskStore::Options options;
    options.folder = shard;
    options.threads = false;
    auto store = DiskStore::open(disk, options, {.post = [](std::function<void()> work) { work(); }, .failed = {}});
    REQUIRE(store);
    CHECK((*store)->damaged() == 0);
    for (QueueId queue = 1; queue <= 4; ++queue) {
      (*store)->recover(
          queue,
          [&](const MessageStore::Loaded& each) {
            CHECK(expected.erase({queue, each.at}) == 1);
          },
          [&](const MessageStore::Page& page) {
            page.live.each([&](unsigned index) {
              CHECK(expected.erase({queue, page.chunk * chunk_positions + index}) == 1);
            });
          });
    }
    CHECK(expected.empty());
  }
}

TEST_CASE("many damaged places in one file: what is whole stays") {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Bench bench(seed);
    bench.damage(2 + static_cast<unsigned>(seed % 30));
    INFO("seed " << seed << ", " << bench.hit);
    MemoryVfs disk;
    put_files(disk, bench.damaged);
    const Kept readable = kept_in(disk);
    ShardCheck check(disk, shard);
    REQUIRE(check.read([](std::uint64_t) {}));
    if (check.findings().empty()) continue;
    REQUIRE(repair_shard(disk, check, bench.options()));
    be_whole(disk);
    const Kept after = kept_in(disk);
    for (const auto& [place, message] : readable) {
      INFO("queue " << place.first << ", position " << place.second);
      REQUIRE(after.contains(place));
      CHECK(after.at(place) == message);
    }
    // More than could be read comes from the log's copies, and is told.
    std::size_t in_log = 0;
    for (const Finding& finding : check.findings()) {
      for (const QueuePositions& each : finding.in_log) in_log += each.positions.size();
    }
    CHECK(after.size() == readable.size() + in_log);
  }
}

TEST_CASE("a repair that loses its power may be begun again, and nothing more is lost") {
  std::uint64_t cuts = 0;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    Bench bench(seed);
    bench.damage(1);
    MemoryVfs looked_at;
    put_files(looked_at, bench.damaged);
    ShardCheck first(looked_at, shard);
    REQUIRE(first.read([](std::uint64_t) {}));
    if (first.findings().empty()) continue;
    const Kept expected = bench.without(first.findings());

    auto disk = std::make_unique<PowerLossVfs>(seed);
    put_files(*disk, bench.damaged);
    for (int life = 0; life < 3; ++life) {
      disk->fail_from(bench.random() % 40);
      ShardCheck check(*disk, shard);
      if (check.read([](std::uint64_t) {})) (void)repair_shard(*disk, check, bench.options());
      disk = disk->crash();
      ++cuts;
    }
    INFO("seed " << seed << ", " << bench.hit);
    ShardCheck check(*disk, shard);
    REQUIRE(check.read([](std::uint64_t) {}));
    REQUIRE(repair_shard(*disk, check, bench.options()));
    be_whole(*disk);
    CHECK(kept_in(*disk) == expected);
  }
  CHECK(cuts > 100);
}

TEST_CASE("log files whose headers are bad go, and the rest stays") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bench bench(seed);
    for (const auto& [path, bytes] : bench.whole) {
      if (!path.ends_with(".log")) continue;
      INFO("seed " << seed << ", " << path);
      auto files = bench.whole;
      files[path].replace(0, 4096, 4096, '\xff');
      MemoryVfs disk;
      put_files(disk, files);
      const Kept readable = kept_in(disk);
      ShardCheck check(disk, shard);
      REQUIRE(check.read([](std::uint64_t) {}));
      REQUIRE_FALSE(check.findings().empty());
      REQUIRE(repair_shard(disk, check, bench.options()));
      be_whole(disk);
      CHECK(kept_in(disk) == readable);
    }
  }
}

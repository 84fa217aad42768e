#include <catch2/catch.hpp>

#include "tests/unit/broker/ctl/filled_store.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

std::vector<Finding> findings_of(Vfs& disk) {
  ShardCheck check(disk, shard);
  REQUIRE(check.read([](std::uint64_t) {}));
  return check.findings();
}

}  // namespace

TEST_CASE("what a broker has left is whole, and is read to the last byte") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    MemoryVfs disk;
    fill_store(disk, seed);
    const auto before = files_of(disk);
    ShardCheck check(disk, shard);
    std::uint64_t shown = 0;
    REQUIRE(check.read([&](std::uint64_t bytes) { shown += bytes; }));
    CHECK(check.findings().empty());
    CHECK(shown == *bytes_of_shard(disk, shard));
    CHECK(check.totals().bytes == shown);
    CHECK(files_of(disk) == before);
  }
}

TEST_CASE("a flipped bit is found, or lies where it changes nothing; looking changes no byte") {
  std::uint64_t found = 0;
  std::uint64_t dead = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    MemoryVfs disk;
    fill_store(disk, seed);
    const Kept before = kept_in(disk);
    std::mt19937_64 random(seed);
    const auto files = files_of(disk);
    auto hit = files.begin();
    std::advance(hit, static_cast<std::ptrdiff_t>(random() % files.size()));
    if (hit->first.ends_with(".spare")) continue;
    const std::uint64_t at = random() % hit->second.size();
    const char changed = static_cast<char>(hit->second[at] ^ (1 << random() % 8));
    REQUIRE((*disk.open(hit->first, OpenMode::write))->write_at(at, {&changed, 1}));
    INFO("seed " << seed << ", " << hit->first << ", byte " << at << " of " << hit->second.size());

    const auto damaged = files_of(disk);
    const std::vector<Finding> findings = findings_of(disk);
    CHECK(files_of(disk) == damaged);
    if (findings.empty()) {
      ++dead;
      CHECK(kept_in(disk) == before);
      continue;
    }
    ++found;
    for (const Finding& finding : findings) {
      CHECK(finding.file == hit->first);
      CHECK(finding.begin <= at);
      CHECK(at < finding.end);
      CHECK_FALSE(finding.unknown);
    }
    // What it says is lost is what a restart will not find.
    std::set<std::uint64_t> records;
    Kept expected;
    {
      MemoryVfs whole;
      put_files(whole, files);
      for (const Finding& finding : findings) {
        for (std::uint64_t lsn = finding.first_lsn; lsn <= finding.last_lsn; ++lsn) records.insert(lsn);
      }
      expected = kept_in(whole, records);
    }
    for (const Finding& finding : findings) {
      for (const auto* list : {&finding.lost, &finding.in_log}) {
        for (const QueuePositions& each : *list) {
          for (Position position : each.positions) CHECK(expected.erase({each.queue, position}) == 1);
        }
      }
    }
    CHECK(kept_in(disk) == expected);
  }
  CHECK(found > 100);
  CHECK(dead > 20);
}

TEST_CASE("a segment without its index, its footer or its header loses no message") {
  MemoryVfs disk;
  fill_store(disk, 4);
  std::string path;
  for (const auto& [file, bytes] : files_of(disk)) {
    if (file.ends_with(".seg")) path = file;
  }
  REQUIRE_FALSE(path.empty());
  const Kept before = kept_in(disk);
  const std::string bytes = files_of(disk).at(path);
  const auto zero = [&](std::uint64_t at) {
    REQUIRE((*disk.open(path, OpenMode::write))->write_at(at, std::string(4, '\xff')));
  };
  SECTION("the header") {
    zero(16);
  }
  SECTION("the index") {
    zero(bytes.size() - kSegmentFooterBytes - 20);
  }
  SECTION("the footer") {
    zero(bytes.size() - 20);
  }
  const auto findings = findings_of(disk);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].harmless());
  CHECK(kept_in(disk) == before);
}

TEST_CASE("a log file whose two headers are bad is damage of which nothing is known") {
  MemoryVfs disk;
  fill_store(disk, 3);
  std::string path;
  for (const auto& [file, bytes] : files_of(disk)) {
    if (file.ends_with(".log") && path.empty()) path = file;
  }
  REQUIRE((*disk.open(path, OpenMode::write))->write_at(0, std::string(4096, '\xff')));
  const auto findings = findings_of(disk);
  REQUIRE_FALSE(findings.empty());
  CHECK(findings[0].file == path);
  CHECK(findings[0].unknown);
  CHECK_FALSE(findings[0].harmless());
}

TEST_CASE("a shard that has no files yet is whole") {
  MemoryVfs disk;
  REQUIRE(disk.make_folder(shard));
  CHECK(findings_of(disk).empty());
}

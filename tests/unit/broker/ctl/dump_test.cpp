#include "broker/ctl/dump.h"

#include <catch2/catch.hpp>

#include "broker/ctl/stats.h"
#include "tests/unit/broker/ctl/filled_store.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("stats count what a restart brings back") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    MemoryVfs disk;
    fill_store(disk, seed);
    const Kept kept = kept_in(disk);
    auto contents = read_shard(disk, shard);
    REQUIRE(contents);
    const auto stats = stats_of(*contents);
    REQUIRE(stats);
    std::map<QueueId, std::pair<std::uint64_t, std::uint64_t>> expected;
    for (const auto& [place, message] : kept) {
      expected[place.first].first += 1;
      expected[place.first].second += message.first.size();
    }
    REQUIRE(stats->queues.size() == expected.size());
    for (const QueueStats& queue : stats->queues) {
      CHECK(queue.messages == expected[queue.queue].first);
      CHECK(queue.body_bytes == expected[queue.queue].second);
      CHECK(queue.messages == queue.in_log + queue.in_segments);
      CHECK(queue.oldest_ms == 1'800'000'000'000);
    }
    std::uint64_t bytes = 0;
    for (const FileStats& file : stats->files) {
      bytes += file.size_bytes;
      CHECK(file.live_bytes <= file.size_bytes);
    }
    std::uint64_t on_disk = 0;
    for (const auto& [path, content] : files_of(disk)) on_disk += content.size();
    CHECK(bytes == on_disk);
  }
}

TEST_CASE("a dump has every message once, in order, and no more than asked for") {
  MemoryVfs disk;
  fill_store(disk, 7);
  const Kept kept = kept_in(disk);
  auto contents = read_shard(disk, shard);
  REQUIRE(contents);
  QueueNames names;
  names.add(1, {"/", "jobs"});
  std::vector<std::string> lines;
  const auto print = [&](const std::string& line) { lines.push_back(line); };
  Dump all({.json = true}, names, print);
  REQUIRE(all.messages(*contents));
  CHECK(lines.size() == kept.size());
  CHECK(all.printed() == kept.size());

  lines.clear();
  Dump some({.queue = 1, .limit = 3, .bodies = true}, names, print);
  REQUIRE(some.messages(*contents));
  REQUIRE(lines.size() == 3);
  auto expected = kept.begin();
  for (const std::string& line : lines) {
    CHECK(line.starts_with("queue 'jobs' in '/', position " + std::to_string(expected->first.second) + ": "));
    CHECK(line.find("body: " + expected->second.first) != std::string::npos);
    ++expected;
  }
}

TEST_CASE("the log's records are listed with their places") {
  MemoryVfs disk;
  fill_store(disk, 7);
  QueueNames names;
  std::vector<std::string> lines;
  Dump dump({}, names, [&](const std::string& line) { lines.push_back(line); });
  std::uint64_t records = 0;
  REQUIRE(read_shard(disk, shard, [&](const LogRecord& record) {
    ++records;
    dump.record(record);
  }));
  REQUIRE(records > 0);
  CHECK(lines.size() == records);
  for (const std::string& line : lines) CHECK(line.find("queue #") != std::string::npos);
}

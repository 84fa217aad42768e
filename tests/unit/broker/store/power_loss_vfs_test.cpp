#include "broker/store/power_loss_vfs.h"

#include <set>

#include <catch2/catch.hpp>

using namespace wherry::broker;

namespace {

constexpr std::size_t sector = PowerLossVfs::sector_bytes;

std::unique_ptr<File> open(Vfs& disk, const std::string& path, OpenMode mode) {
  auto file = disk.open(path, mode);
  if (!file) FAIL(file.error().message);
  return std::move(*file);
}

std::string content(Vfs& disk, const std::string& path) {
  const auto file = open(disk, path, OpenMode::read);
  std::string bytes(*file->size(), '?');
  REQUIRE(*file->read_at(0, bytes.data(), bytes.size()) == bytes.size());
  return bytes;
}

std::unique_ptr<File> durable_file(PowerLossVfs& disk, const std::string& path, const std::string& bytes) {
  auto file = open(disk, path, OpenMode::create);
  REQUIRE(file->write_at(0, bytes));
  REQUIRE(file->sync());
  REQUIRE(disk.sync_folder("."));
  return file;
}

}  // namespace

TEST_CASE("what was synced survives every crash") {
  PowerLossVfs disk(1);
  const auto file = durable_file(disk, "a", std::string(3 * sector, 'a'));
  REQUIRE(file->write_at(sector, std::string(sector, 'b')));
  REQUIRE(file->sync());
  const std::string expected = std::string(sector, 'a') + std::string(sector, 'b') + std::string(sector, 'a');
  for (int run = 0; run < 100; ++run) REQUIRE(content(*disk.crash(), "a") == expected);
}

TEST_CASE("a write that was not synced is torn at the borders of sectors, in every way") {
  PowerLossVfs disk(2);
  const auto file = durable_file(disk, "a", std::string(3 * sector, '-'));
  REQUIRE(file->write_at(0, std::string(3 * sector, 'x')));
  std::set<std::string> seen;
  for (int run = 0; run < 400; ++run) {
    const std::string bytes = content(*disk.crash(), "a");
    REQUIRE(bytes.size() == 3 * sector);
    std::string shape;
    for (std::size_t at = 0; at < 3; ++at) {
      const std::string one = bytes.substr(at * sector, sector);
      REQUIRE(one == std::string(sector, one[0]));
      shape += one[0];
    }
    seen.insert(shape);
  }
  CHECK(seen.size() == 8);
}

TEST_CASE("a sector that was written several times has one of its states, never a mixture") {
  PowerLossVfs disk(3);
  const auto file = durable_file(disk, "a", "0000");
  REQUIRE(file->write_at(0, "1"));
  REQUIRE(file->write_at(1, "2"));
  REQUIRE(file->write_at(2, "3"));
  std::set<std::string> seen;
  for (int run = 0; run < 400; ++run) seen.insert(content(*disk.crash(), "a"));
  CHECK(seen == std::set<std::string>{"0000", "1000", "1200", "1230"});
}

TEST_CASE("a later write may survive where an earlier one is lost") {
  PowerLossVfs disk(4);
  const auto file = durable_file(disk, "a", std::string(2 * sector, '-'));
  REQUIRE(file->write_at(0, "first"));
  REQUIRE(file->write_at(sector, "second"));
  bool seen = false;
  for (int run = 0; run < 200; ++run) {
    const std::string bytes = content(*disk.crash(), "a");
    if (bytes[0] == '-' && bytes[sector] == 's') seen = true;
  }
  CHECK(seen);
}

TEST_CASE("a size that was not synced is lost or kept, with its bytes or with zeros") {
  PowerLossVfs disk(5);
  const auto file = durable_file(disk, "a", std::string(sector, 'a'));
  REQUIRE(file->preallocate(2 * sector));
  REQUIRE(file->write_at(sector, std::string(sector, 'b')));
  REQUIRE(file->preallocate(4 * sector));
  std::set<std::pair<std::size_t, char>> seen;
  for (int run = 0; run < 400; ++run) {
    const std::string bytes = content(*disk.crash(), "a");
    REQUIRE(bytes.substr(0, sector) == std::string(sector, 'a'));
    seen.emplace(bytes.size(), bytes.size() > sector ? bytes[sector] : ' ');
  }
  CHECK(seen == std::set<std::pair<std::size_t, char>>{
                    {sector, ' '}, {2 * sector, '\0'}, {2 * sector, 'b'}, {4 * sector, '\0'}, {4 * sector, 'b'}});
}

TEST_CASE("names that were not synced are kept in any combination") {
  PowerLossVfs disk(6);
  durable_file(disk, "old", "old");
  durable_file(disk, "gone", "gone");
  const auto fresh = open(disk, "fresh", OpenMode::create);
  REQUIRE(fresh->write_at(0, "fresh"));
  REQUIRE(fresh->sync());
  REQUIRE(disk.rename("old", "new"));
  REQUIRE(disk.remove("gone"));
  std::set<std::vector<std::string>> seen;
  for (int run = 0; run < 400; ++run) {
    const auto after = disk.crash();
    const auto names = *after->list(".");
    for (const auto& name : names) {
      REQUIRE(content(*after, name) == (name == "new" ? "old" : name));
    }
    seen.insert(names);
  }
  CHECK(seen.size() == 8);
  REQUIRE(disk.sync_folder("."));
  for (int run = 0; run < 50; ++run) CHECK(*disk.crash()->list(".") == std::vector<std::string>{"fresh", "new"});
}

TEST_CASE("a file whose rename over another was not synced is one of the two") {
  PowerLossVfs disk(7);
  durable_file(disk, "a", "old");
  durable_file(disk, "b", "new");
  REQUIRE(disk.rename("b", "a"));
  std::set<std::string> seen;
  for (int run = 0; run < 100; ++run) seen.insert(content(*disk.crash(), "a"));
  CHECK(seen == std::set<std::string>{"old", "new"});
}

TEST_CASE("the power can go at any operation, in the middle of a write") {
  PowerLossVfs disk(8);
  const auto file = durable_file(disk, "a", std::string(sector, '-'));
  disk.fail_from(1);
  REQUIRE(file->write_at(0, "x"));
  const auto failed = file->write_at(0, std::string(sector, 'y'));
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == std::errc::io_error);
  CHECK_FALSE(file->sync());
  CHECK_FALSE(disk.rename("a", "b"));
  CHECK_FALSE(disk.open("c", OpenMode::create));
  CHECK_FALSE(disk.sync_folder("."));
  disk.heal();
  CHECK(file->sync());
}

TEST_CASE("a full disk is an error with its name, before anything was written") {
  PowerLossVfs disk(9);
  const auto file = durable_file(disk, "a", "");
  disk.fail_from(0, std::errc::no_space_on_device);
  const auto full = file->preallocate(4096);
  REQUIRE_FALSE(full);
  CHECK(full.error().code == std::errc::no_space_on_device);
  CHECK(full.error().message.find("preallocate a: ") == 0);
  CHECK(*file->size() == 0);
}

TEST_CASE("a flipped bit is one bit in the range that was asked for, and lasts") {
  PowerLossVfs disk(10);
  const std::string before(4 * sector, 'a');
  durable_file(disk, "a", before);
  const std::uint64_t offset = disk.flip_bit("a", sector, 2 * sector);
  CHECK(offset >= sector);
  CHECK(offset < 2 * sector);
  const std::string after = content(*disk.crash(), "a");
  for (std::size_t at = 0; at < after.size(); ++at) {
    const int difference = static_cast<unsigned char>(after[at] ^ before[at]);
    CHECK(__builtin_popcount(static_cast<unsigned>(difference)) == (at == offset ? 1 : 0));
  }
}

TEST_CASE("the same seed crashes in the same way") {
  const auto run = [](std::uint64_t seed) {
    PowerLossVfs disk(seed);
    const auto file = durable_file(disk, "a", std::string(64 * sector, '-'));
    for (std::size_t at = 0; at < 64; ++at) REQUIRE(file->write_at(at * sector, "x"));
    return content(*disk.crash(), "a") + content(*disk.crash(), "a");
  };
  CHECK(run(11) == run(11));
  CHECK(run(11) != run(12));
}

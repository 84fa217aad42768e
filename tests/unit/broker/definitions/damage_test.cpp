// Damaged files: whatever is flipped or cut, the file is refused as it is, or means what it meant.
#include <random>

#include <fmt/format.h>

#include "tests/unit/broker/definitions/topology.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

namespace {

constexpr std::size_t page_size = 4096;

// Some hundred rows in each table, with holes, so that there are inner and free pages too.
std::string sound_file() {
  Directory directory;
  auto file = DefinitionsFile::open(directory.file());
  Listing nothing;
  REQUIRE((*file)->load(nothing));
  std::vector<TopologyChange> added, removed;
  added.push_back(vhost("/"));
  for (std::uint64_t i = 1; i <= 1500; ++i) {
    const std::string name = fmt::format("name-{:05}", i);
    for (bool add : {true, false}) {
      if (!add && i % 3 != 0 && i > 800) continue;
      auto& to = add ? added : removed;
      to.push_back(queue(name, i, add));
      if (i % 2 == 0) to.push_back(exchange(name, add));
      to.push_back(binding(name, name, name, add));
    }
  }
  REQUIRE((*file)->commit(added, 5000));
  REQUIRE((*file)->commit(removed, 5000));
  REQUIRE((*file)->tidy());
  return directory.read();
}

}  // namespace

TEST_CASE("definitions: a flipped bit anywhere is refused and left alone, or harmless") {
  const std::string sound = sound_file();
  Directory directory;
  directory.write(sound);
  const auto lines = listing_of(directory.file());
  REQUIRE(lines.size() > 400);

  const auto seed = GENERATE(1u, 2u, 3u);
  std::mt19937 random(seed);
  unsigned refused = 0;
  for (std::size_t page = 0; page < sound.size() / page_size; ++page) {
    std::string damaged = sound;
    const std::size_t at = page * page_size + random() % (seed == 1 ? 100 : page_size);
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
    Directory there;
    there.write(damaged);
    INFO("seed " << seed << ", byte " << at);
    Listing listing;
    auto file = DefinitionsFile::open(there.file());
    const auto loaded = file ? (*file)->load(listing) : wherry::Result<void>(tl::unexpected(file.error()));
    if (loaded) {
      CHECK(listing.lines == lines);
      continue;
    }
    ++refused;
    CHECK(loaded.error().message.find(there.file().string()) != std::string::npos);
    if (file) file->reset();
    CHECK(there.read() == damaged);
  }
  // Free space is large; with the first seed only the first bytes of pages are hit, where most of what matters is.
  CHECK(refused > (seed == 1 ? 15 : 0));
}

TEST_CASE("definitions: a page overwritten with noise or with an older one is refused or harmless") {
  const std::string sound = sound_file();
  Directory directory;
  directory.write(sound);
  const auto lines = listing_of(directory.file());
  std::mt19937 random(7);
  unsigned refused = 0;
  for (std::size_t page = 0; page < sound.size() / page_size; ++page) {
    for (bool noise : {true, false}) {
      std::string damaged = sound;
      for (std::size_t i = 0; i < page_size; ++i) {
        damaged[page * page_size + i] = noise ? static_cast<char>(random()) : '\0';
      }
      Directory there;
      there.write(damaged);
      INFO("page " << page << (noise ? " noise" : " zeroes"));
      Listing listing;
      auto file = DefinitionsFile::open(there.file());
      const auto loaded = file ? (*file)->load(listing) : wherry::Result<void>(tl::unexpected(file.error()));
      if (loaded) {
        CHECK(listing.lines == lines);
        continue;
      }
      ++refused;
      if (file) file->reset();
      CHECK(there.read() == damaged);
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("definitions: a file that was cut is refused and left alone") {
  const std::string sound = sound_file();
  for (std::size_t size = 1; size < sound.size(); size += size < page_size ? 517 : 3 * page_size + 1000) {
    Directory there;
    there.write(sound.substr(0, size));
    INFO("cut to " << size);
    CHECK_FALSE(refusal_of(there.file()).empty());
    CHECK(there.read() == sound.substr(0, size));
  }
}

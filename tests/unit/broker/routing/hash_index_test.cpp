#include "broker/routing/hash_index.h"

#include <map>
#include <random>

#include <catch2/catch.hpp>

using namespace wherry::broker;

TEST_CASE("hash index: what was added is found until it is removed, however its hashes crowd") {
  const std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  // Few different hashes: long runs, and many of one hash.
  const auto hash_of = [](std::uint32_t number) { return std::uint64_t{number} % 37 * 3; };
  HashIndex index;
  std::map<std::uint32_t, bool> there;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint32_t number = random() % 300;
    const auto found = index.find(hash_of(number), [&](std::uint32_t each) { return each == number; });
    REQUIRE(found == (there[number] ? number : HashIndex::none));
    if (there[number]) {
      index.remove(hash_of(number), number);
    } else {
      index.add(hash_of(number), number);
    }
    there[number] = !there[number];
  }
  std::size_t count = 0;
  for (const auto& [number, is] : there) count += is ? 1 : 0;
  CHECK(index.size() == count);
}

TEST_CASE("hash index: an empty one has nothing") {
  HashIndex index;
  CHECK(index.find(1, [](std::uint32_t) { return true; }) == HashIndex::none);
  index.add(1, 7);
  index.remove(1, 7);
  CHECK(index.find(1, [](std::uint32_t) { return true; }) == HashIndex::none);
}

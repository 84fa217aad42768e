#include "base/uuid.h"

#include <set>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace wherry;

TEST_CASE("A UUID has the form of version 4") {
  for (int i = 0; i < 1000; ++i) {
    const std::string id = make_uuid();
    REQUIRE(id.size() == 36);
    for (std::size_t at = 0; at < id.size(); ++at) {
      const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
      const bool hex = std::string("0123456789abcdef").find(id[at]) != std::string::npos;
      REQUIRE((dash ? id[at] == '-' : hex));
    }
    REQUIRE(id[14] == '4');
    REQUIRE(std::string("89ab").find(id[19]) != std::string::npos);
  }
}

TEST_CASE("A UUID of a name is always the same, and another of another name") {
  // Others may have it from another program.
  CHECK(make_uuid("a/0") == "2dcd67f0-25de-8b35-ace8-81a00d2a6623");
  CHECK(make_uuid("a/0") == make_uuid(std::string("a/0")));
  std::set<std::string> all;
  for (int i = 0; i < 1000; ++i) all.insert(make_uuid("task/" + std::to_string(i)));
  CHECK(all.size() == 1000);
  CHECK(all.begin()->at(14) == '8');
}

TEST_CASE("UUIDs of all threads differ") {
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made)
    threads.emplace_back([&mine] {
      for (int i = 0; i < 5000; ++i) mine.push_back(make_uuid());
    });
  for (std::thread& each : threads) each.join();
  std::set<std::string> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  CHECK(all.size() == 20'000);
}

TEST_CASE("A random name has its length, and letters that a queue's name may have") {
  CHECK(random_name(0).empty());
  const std::string name = random_name(1000);
  CHECK(name.size() == 1000);
  CHECK(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == name.npos);
  CHECK(random_name(22) != random_name(22));
}

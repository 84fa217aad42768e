#include "broker/session/unsettled.h"

#include <catch2/catch.hpp>

using namespace wherry::broker;

namespace {

QueueEntryRef queue() {
  return std::make_shared<QueueEntry>();
}

std::vector<Position> positions(const std::vector<Unsettled::Entry>& entries) {
  std::vector<Position> all;
  for (const auto& entry : entries) all.push_back(entry.position);
  return all;
}

}  // namespace

TEST_CASE("deliveries are taken by their tag, once") {
  Unsettled unsettled;
  auto q = queue();
  CHECK(unsettled.add(q, 7, {101}) == 1);
  CHECK(unsettled.add(q, 7, {102}) == 2);
  std::vector<Unsettled::Entry> taken;
  CHECK(unsettled.take(2, false, taken));
  CHECK(positions(taken) == std::vector<Position>{102});
  CHECK_FALSE(unsettled.take(2, false, taken));
  CHECK_FALSE(unsettled.take(3, false, taken));
  CHECK_FALSE(unsettled.take(0, false, taken));
  CHECK(unsettled.count() == 1);
}

TEST_CASE("multiple takes everything up to the tag, zero everything there is") {
  Unsettled unsettled;
  auto q = queue();
  for (Position at = 1; at <= 6; ++at) unsettled.add(q, 7, {at});
  std::vector<Unsettled::Entry> taken;
  REQUIRE(unsettled.take(2, false, taken));
  taken.clear();
  REQUIRE(unsettled.take(4, true, taken));
  CHECK(positions(taken) == std::vector<Position>{1, 3, 4});
  CHECK_FALSE(unsettled.take(4, true, taken));
  taken.clear();
  REQUIRE(unsettled.take(0, true, taken));
  CHECK(positions(taken) == std::vector<Position>{5, 6});
  taken.clear();
  CHECK(unsettled.take(0, true, taken));
  CHECK(taken.empty());
}

TEST_CASE("deliveries without ack use up tags and nothing else") {
  Unsettled unsettled;
  CHECK(unsettled.pass() == 1);
  CHECK(unsettled.add(queue(), 7, {1}) == 2);
  std::vector<Unsettled::Entry> taken;
  CHECK_FALSE(unsettled.take(1, false, taken));
  CHECK(unsettled.take(2, false, taken));
}

TEST_CASE("what was got by hand does not count towards the channel's prefetch") {
  Unsettled unsettled;
  unsettled.add(queue(), 0, {1});
  unsettled.add(queue(), 7, {1});
  CHECK(unsettled.count() == 2);
  CHECK(unsettled.consumed() == 1);
  std::vector<Unsettled::Entry> taken;
  unsettled.take(0, true, taken);
  CHECK(unsettled.consumed() == 0);
}

TEST_CASE("what was taken can be put back under its tags") {
  Unsettled unsettled;
  auto q = queue();
  for (Position at = 101; at <= 106; ++at) unsettled.add(q, at == 103 ? 0 : 7, {at});
  std::vector<Unsettled::Entry> taken;
  REQUIRE(unsettled.take(5, false, taken));
  REQUIRE(unsettled.take(3, true, taken));
  CHECK(unsettled.count() == 2);
  std::swap(taken.front(), taken.back());
  unsettled.put_back(std::move(taken));
  CHECK(unsettled.count() == 6);
  CHECK(unsettled.consumed() == 5);
  taken.clear();
  REQUIRE(unsettled.take(5, false, taken));
  CHECK_FALSE(unsettled.take(5, false, taken));
  taken.clear();
  REQUIRE(unsettled.take(6, true, taken));
  CHECK(positions(taken) == std::vector<Position>{101, 102, 103, 104, 106});
  // All of it, when nothing is left.
  unsettled.put_back(std::move(taken));
  CHECK(unsettled.count() == 5);
  CHECK(unsettled.add(q, 7, {107}) == 7);
  taken.clear();
  REQUIRE(unsettled.take(0, true, taken));
  CHECK(taken.size() == 6);
}

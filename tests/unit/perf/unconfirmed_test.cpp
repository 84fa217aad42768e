#include "perf/unconfirmed.h"

#include <catch2/catch.hpp>

using wherry::perf::Unconfirmed;

namespace {

// The times that a confirm settled, in order.
std::vector<std::uint64_t> settle(Unconfirmed& tags, std::uint64_t tag, bool multiple) {
  std::vector<std::uint64_t> sent;
  REQUIRE(tags.settle(tag, multiple, [&](std::uint64_t at) { sent.push_back(at); }));
  return sent;
}

Unconfirmed with(std::uint64_t count) {
  Unconfirmed tags;
  for (std::uint64_t i = 1; i <= count; ++i) tags.add(100 + i);
  return tags;
}

}  // namespace

TEST_CASE("A confirm settles its tag, and 'multiple' all before it as well") {
  auto tags = with(6);
  CHECK(settle(tags, 2, false) == std::vector<std::uint64_t>{102});
  CHECK(settle(tags, 4, true) == std::vector<std::uint64_t>{101, 103, 104});
  CHECK(tags.outstanding() == 2);
  CHECK(settle(tags, 0, true) == std::vector<std::uint64_t>{105, 106});
  CHECK(tags.outstanding() == 0);
}

TEST_CASE("What is settled is not settled again") {
  auto tags = with(3);
  settle(tags, 3, false);
  CHECK(settle(tags, 3, false).empty());
  CHECK(settle(tags, 2, true).size() == 2);
  CHECK(settle(tags, 3, true).empty());
  CHECK(settle(tags, 1, false).empty());
}

TEST_CASE("A tag that was never published is refused") {
  auto tags = with(3);
  const auto ignore = [](std::uint64_t) {};
  CHECK_FALSE(tags.settle(4, false, ignore));
  CHECK_FALSE(tags.settle(4, true, ignore));
  CHECK_FALSE(tags.settle(0, false, ignore));
  CHECK(tags.outstanding() == 3);
}

TEST_CASE("Any number may be outstanding, also around the end of the ring") {
  auto tags = with(700);
  CHECK(settle(tags, 650, true).size() == 650);
  for (std::uint64_t i = 701; i <= 5000; ++i) tags.add(100 + i);
  CHECK(tags.outstanding() == 4350);
  CHECK(settle(tags, 4000, false) == std::vector<std::uint64_t>{4100});
  CHECK(settle(tags, 5000, true).size() == 4349);
}

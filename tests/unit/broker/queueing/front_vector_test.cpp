#include "broker/queueing/front_vector.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <random>

#include <catch2/catch.hpp>

using wherry::broker::FrontVector;

TEST_CASE("a front vector holds what a deque holds") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    FrontVector<std::shared_ptr<int>> tested;
    std::deque<std::shared_ptr<int>> model;
    // By turns more come and more go, so that it is long, short and empty.
    for (int step = 0; step < 4000; ++step) {
      const bool grows = step / 500 % 2 == 0;
      if (random() % 10 < (grows ? 7u : 3u)) {
        auto item = std::make_shared<int>(step);
        tested.push_back(item);
        model.push_back(std::move(item));
      } else if (random() % 20 == 0) {
        const auto at = static_cast<std::ptrdiff_t>(random() % (model.size() + 1));
        auto item = std::make_shared<int>(step);
        CHECK(*tested.insert(tested.begin() + at, item) == item);
        model.insert(model.begin() + at, std::move(item));
      } else if (!model.empty()) {
        tested.pop_front();
        model.pop_front();
      }
      REQUIRE(tested.size() == model.size());
      REQUIRE(tested.empty() == model.empty());
      if (model.empty()) continue;
      REQUIRE(tested.front() == model.front());
      REQUIRE(tested.back() == model.back());
      const std::size_t index = random() % model.size();
      REQUIRE(tested[index] == model[index]);
    }
    CHECK(std::equal(tested.begin(), tested.end(), model.begin(), model.end()));
  }
}

TEST_CASE("what has left the front of a front vector is let go") {
  FrontVector<std::shared_ptr<int>> tested;
  const auto item = std::make_shared<int>(1);
  for (int n = 0; n < 3; ++n) tested.push_back(item);
  tested.pop_front();
  CHECK(item.use_count() == 3);
}

#include "perf/histogram.h"

#include <catch2/catch.hpp>

using wherry::perf::Histogram;

TEST_CASE("An empty histogram has no quantiles") {
  Histogram h;
  CHECK(h.count() == 0);
  CHECK(h.quantile(0.5) == 0);
  CHECK(h.max() == 0);
  CHECK(h.buckets().empty());
}

TEST_CASE("Small values are exact") {
  Histogram h;
  for (std::uint64_t value = 1; value <= 200; ++value) h.add(value);
  CHECK(h.quantile(0) == 1);
  CHECK(h.quantile(0.5) == 100);
  CHECK(h.quantile(0.99) == 198);
  CHECK(h.quantile(0.999) == 200);
  CHECK(h.quantile(1) == 200);
}

TEST_CASE("Any value is found again within a hundredth, and never too small") {
  for (std::uint64_t value = 1; value < std::uint64_t(1) << 62; value = value * 3 + value / 7 + 1) {
    Histogram h;
    h.add(value);
    h.add(std::uint64_t(1) << 63);  // So that the maximum does not decide.
    const std::uint64_t found = h.quantile(0.5);
    INFO(value);
    CHECK(found >= value);
    CHECK(found - value <= value / 100);
  }
}

TEST_CASE("The largest value of all is counted, too") {
  Histogram h;
  h.add(~std::uint64_t(0));
  CHECK(h.max() == ~std::uint64_t(0));
  CHECK(h.quantile(1) == ~std::uint64_t(0));
}

TEST_CASE("The maximum is exact and bounds every quantile") {
  Histogram h;
  h.add(1'000'001);
  CHECK(h.quantile(0.5) == 1'000'001);
  CHECK(h.max() == 1'000'001);
}

TEST_CASE("Buckets follow each other without a gap, whatever is added") {
  Histogram h;
  for (std::uint64_t value = 0; value < 100'000; ++value) h.add(value);
  std::uint64_t next = 0;
  std::uint64_t count = 0;
  for (const auto& bucket : h.buckets()) {
    CHECK(bucket.first == next);
    next = bucket.last + 1;
    count += bucket.count;
  }
  CHECK(count == 100'000);
}

TEST_CASE("Merged histograms count as one") {
  Histogram a, b;
  for (std::uint64_t value = 1; value <= 50; ++value) a.add(value);
  for (std::uint64_t value = 51; value <= 100; ++value) b.add(value);
  a.merge(b);
  CHECK(a.count() == 100);
  CHECK(a.quantile(0.5) == 50);
  CHECK(a.max() == 100);
}

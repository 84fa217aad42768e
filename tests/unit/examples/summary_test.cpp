#include "examples/tasks/summary.h"

#include <catch2/catch.hpp>

#include "examples/tasks/failure.h"
#include "tests/unit/examples/scratch.h"

using examples::TableSummary;

static TableSummary summary_of(std::string_view text, const std::string& separator = ",") {
  const Scratch scratch;
  return examples::summarize({.path = scratch.write("table.csv", text), .separator = separator}, {});
}

TEST_CASE("a column of numbers has the statistics of its numbers") {
  const TableSummary table = summary_of("x\n2\n4\n4\n4\n5\n5\n7\n9\n");
  REQUIRE(table.rows == 8);
  REQUIRE(table.columns.size() == 1);
  const auto& x = table.columns[0];
  CHECK(x.name == "x");
  CHECK(x.kind == "number");
  CHECK(x.count == 8);
  CHECK(x.missing == 0);
  CHECK(x.min.value() == 2);
  CHECK(x.max.value() == 9);
  CHECK(x.mean.value() == Approx(5.0));
  CHECK(x.stddev.value() == Approx(2.13809).epsilon(1e-5));
  CHECK(x.distinct == 5);
  CHECK(x.top == "4");
  CHECK(x.top_count == 3);
}

TEST_CASE("large numbers close together keep their deviation") {
  const auto table = summary_of("x\n1000000000004\n1000000000007\n1000000000013\n1000000000016\n");
  CHECK(table.columns[0].stddev.value() == Approx(5.47723).epsilon(1e-5));
}

TEST_CASE("one word makes a column text, with the statistics of lengths in characters") {
  const auto table = summary_of("x\n1\ntwo\nz\xc3\xbcrich\n");
  const auto& x = table.columns[0];
  CHECK(x.kind == "text");
  CHECK(x.min.value() == 1);
  CHECK(x.max.value() == 6);
  CHECK(x.mean.value() == Approx(10.0 / 3));
}

TEST_CASE("missing cells are counted and change no statistic") {
  const auto table = summary_of("a,b\n1,NA\n,\n3,null\n");
  CHECK(table.columns[0].count == 2);
  CHECK(table.columns[0].missing == 1);
  CHECK(table.columns[0].mean.value() == 2);
  CHECK(table.columns[1].missing == 3);
  CHECK(table.columns[1].kind == "text");
  CHECK_FALSE(table.columns[1].mean.has_value());
}

TEST_CASE("rows that are too short or too long are counted, and their missing cells too") {
  const auto table = summary_of("a,b\n1\n1,2,3\n1,2\n");
  CHECK(table.rows == 3);
  CHECK(table.ragged_rows == 2);
  CHECK(table.columns[1].missing == 1);
}

TEST_CASE("of equally frequent values the first seen is the top one") {
  const auto table = summary_of("x\nb\na\na\nb\n");
  CHECK(table.columns[0].top == "b");
  CHECK(table.columns[0].top_count == 2);
}

TEST_CASE("progress grows to the whole file") {
  const Scratch scratch;
  std::string text = "x\n";
  for (int i = 0; i < 10'000; ++i) text += std::to_string(i) + "\n";
  std::vector<std::int64_t> told;
  std::int64_t rows = 0;
  examples::summarize({.path = scratch.write("table.csv", text)},
                      [&](std::int64_t done, std::int64_t all, std::int64_t n) {
                        CHECK(all == static_cast<std::int64_t>(text.size()));
                        told.push_back(done);
                        rows = n;
                      });
  CHECK(told.size() >= 50);
  CHECK(told.size() <= 110);
  CHECK(std::is_sorted(told.begin(), told.end()));
  CHECK(told.back() == static_cast<std::int64_t>(text.size()));
  CHECK(rows == 10'000);
}

TEST_CASE("what can never be summarised fails for good") {
  CHECK_THROWS_AS(summary_of(""), examples::PermanentFailure);
  CHECK_THROWS_AS(summary_of("a\n", ""), examples::PermanentFailure);
  CHECK_THROWS_AS(summary_of("a\n", "::"), examples::PermanentFailure);
}

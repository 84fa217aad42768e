#include "perf/json_line.h"

#include <limits>

#include <catch2/catch.hpp>

using wherry::perf::JsonLine;

TEST_CASE("A JSON line keeps the order of its keys and escapes its texts") {
  JsonLine line;
  CHECK(line.str() == "{}");
  line.text("name", "a \"b\" \\ c\n").count("count", 1'234'567).flag("done", true);
  CHECK(line.str() == R"({"name": "a \"b\" \\ c\u000a", "count": 1234567, "done": true})");
}

TEST_CASE("Numbers keep four digits, and none behind the point when they are large") {
  JsonLine line;
  line.number("a", 0.123456).number("b", 123456.7).number("c", 0).number("d", -2.5);
  line.number("e", std::numeric_limits<double>::infinity());
  CHECK(line.str() == R"({"a": 0.1235, "b": 123457, "c": 0, "d": -2.5, "e": 0})");
}

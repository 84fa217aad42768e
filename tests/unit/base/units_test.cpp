#include "base/units.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace std::chrono_literals;

TEST_CASE("Durations are read as people write them") {
  CHECK(parse_duration("30s").value() == 30s);
  CHECK(parse_duration("30").value() == 30s);
  CHECK(parse_duration("0").value() == 0s);
  CHECK(parse_duration("1.5").value() == 1500ms);
  CHECK(parse_duration("0.25s").value() == 250ms);
  CHECK(parse_duration("250ms").value() == 250ms);
  CHECK(parse_duration("1m30s").value() == 90s);
  CHECK(parse_duration("2h").value() == 2h);
  CHECK(parse_duration("1d12h").value() == 36h);
}

TEST_CASE("What is no duration is refused") {
  for (const char* text : {"", "s", "-1s", "1x", "1s1s", "1s1m", "1m30", "1 s", "1.s", "0.0001s", "1.5ms", "soon",
                           "99999999999999999999s", "999999999999999d"})
    CHECK_FALSE(parse_duration(text));
}

TEST_CASE("A formatted duration reads back as itself") {
  CHECK(format_duration(90s) == "1m30s");
  CHECK(format_duration(0s) == "0s");
  CHECK(format_duration(250ms) == "250ms");
  for (std::chrono::milliseconds each : {1ms, 61001ms, 86'400'000ms, 999'999'999ms})
    CHECK(parse_duration(format_duration(each)).value() == each);
}

TEST_CASE("Sizes are read in powers of 1000 and of 1024") {
  CHECK(parse_size("4096").value() == 4096);
  CHECK(parse_size("10B").value() == 10);
  CHECK(parse_size("64MiB").value() == 64u << 20);
  CHECK(parse_size("64 mib").value() == 64u << 20);
  CHECK(parse_size("2kB").value() == 2000);
  CHECK(parse_size("1.5KiB").value() == 1536);
  CHECK(parse_size("1GB").value() == 1'000'000'000);
}

TEST_CASE("What is no size is refused") {
  for (const char* text : {"", "MiB", "-1", "1.5", "64M", "1KiBB", "99999999TiB", "lots"})
    CHECK_FALSE(parse_size(text));
}

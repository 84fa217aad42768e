#include "base/iso8601.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace std::chrono_literals;

namespace {
const WallTime now{std::chrono::seconds(1'769'860'800)};  // 2026-01-31T12:00:00Z
}

TEST_CASE("times are read in the spellings of ISO 8601 and written in Python's") {
  CHECK(format_iso8601(now) == "2026-01-31T12:00:00+00:00");
  CHECK(format_iso8601(now + 1us) == "2026-01-31T12:00:00.000001+00:00");
  CHECK(format_iso8601(WallTime(-1us)) == "1969-12-31T23:59:59.999999+00:00");
  for (std::string_view same :
       {"2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00Z", "2026-01-31 12:00:00", "2026-01-31T12:00",
        "2026-01-31T14:30:00.000+02:30", "2026-01-31T07:00:00-0500", "2026-01-31T13:00+01"}) {
    CAPTURE(same);
    REQUIRE(parse_iso8601(same));
    CHECK(*parse_iso8601(same) == now);
  }
  CHECK(*parse_iso8601("2026-01-31T12:00:00.250000+00:00") == now + 250ms);
  CHECK(*parse_iso8601("2026-01-31") == now - 12h);
  CHECK(*parse_iso8601("9999-12-31T23:59:59Z") > now + 24h * 365 * 200);
  CHECK(parse_iso8601("nonsense").error().message == "no ISO 8601 time: \"nonsense\"");
  for (std::string_view wrong : {"", "2026-02-30", "2026-01-31T25:00", "2026-01-31T12:00:00+", "2026-01-31T12:00:00Zx",
                                 "2026-1-31", "2026-01-31T12", "2026-01-31T12:00:00.Z"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_iso8601(wrong));
  }
}

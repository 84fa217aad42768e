#include "worker/schedule/timetable.h"

#include <catch2/catch.hpp>

#include "base/iso8601.h"

using namespace wherry;
using namespace wherry::schedule;
using namespace std::chrono_literals;

namespace {

WallTime at(std::string_view text) {
  return parse_iso8601(text).value();
}

// The ticks after begin and before end, as the zone's clocks show them.
std::vector<std::string> local_ticks(const Timetable& timetable, std::string_view begin, std::string_view end) {
  std::vector<std::string> out;
  const WallTime last = at(end);
  for (auto tick = timetable.next(at(begin)); tick && *tick < last; tick = timetable.next(*tick)) {
    out.push_back(timetable.local(*tick));
  }
  return out;
}

Timetable cron(std::string_view line, const std::string& zone) {
  auto made = Timetable::cron(line, zone);
  INFO((made ? "" : made.error().message));
  REQUIRE(made);
  return *made;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("An interval is due at its multiples since 1970") {
  const Timetable every = Timetable::every(10min);
  CHECK(every.next(at("2026-11-29T12:00:00Z")) == at("2026-11-29T12:10:00Z"));
  CHECK(every.next(at("2026-11-29T12:09:59.999Z")) == at("2026-11-29T12:10:00Z"));
  CHECK(every.next(at("2026-11-29T12:10:00.001Z")) == at("2026-11-29T12:20:00Z"));
  CHECK(every.next(at("1969-12-31T23:59:59.5Z")) == at("1970-01-01T00:00:00Z"));
  CHECK(Timetable::every(7s).next(at("1970-01-01T00:00:07Z")) == at("1970-01-01T00:00:14Z"));
  CHECK(every.text() == "every 10m");
}

TEST_CASE("A cron line is due by its zone's clocks") {
  CHECK(cron("30 6 * * mon-fri", "Europe/Berlin").next(at("2026-11-29T12:00:00Z")) == at("2026-11-30T05:30:00Z"));
  CHECK(cron("30 6 * * mon-fri", "Europe/Berlin").next(at("2026-06-29T12:00:00Z")) == at("2026-06-30T04:30:00Z"));
  CHECK(cron("0 0 1 1 *", "Asia/Kolkata").next(at("2026-06-29T12:00:00Z")) == at("2026-12-31T18:30:00Z"));
  const Timetable minutes = cron("* * * * *", "UTC");
  CHECK(minutes.next(at("2026-06-29T12:00:00Z")) == at("2026-06-29T12:01:00Z"));
  CHECK(minutes.next(at("2026-06-29T12:00:00.5Z")) == at("2026-06-29T12:01:00Z"));
  CHECK(minutes.next(at("2026-06-29T11:59:59.999999Z")) == at("2026-06-29T12:00:00Z"));
}

TEST_CASE("Berlin: at certain hours, the missing hour is made up for once") {
  const auto march = [](std::string_view line) {
    return local_ticks(cron(line, "Europe/Berlin"), "2026-03-27T23:30:00Z", "2026-03-30T05:00:00Z");
  };
  CHECK(march("30 2 * * *") ==
        Texts{"2026-03-28 02:30:00 CET", "2026-03-29 03:00:00 CEST", "2026-03-30 02:30:00 CEST"});
  CHECK(march("*/20 2 29 * *") == Texts{"2026-03-29 03:00:00 CEST"});
  CHECK(march("30 2,3 29 3 *") == Texts{"2026-03-29 03:00:00 CEST", "2026-03-29 03:30:00 CEST"});
  CHECK(march("0 2,3 29 3 *") == Texts{"2026-03-29 03:00:00 CEST"});
  CHECK(march("0 */2 29 3 *") ==
        Texts{"2026-03-29 00:00:00 CET", "2026-03-29 03:00:00 CEST", "2026-03-29 04:00:00 CEST",
              "2026-03-29 06:00:00 CEST", "2026-03-29 08:00:00 CEST", "2026-03-29 10:00:00 CEST",
              "2026-03-29 12:00:00 CEST", "2026-03-29 14:00:00 CEST", "2026-03-29 16:00:00 CEST",
              "2026-03-29 18:00:00 CEST", "2026-03-29 20:00:00 CEST", "2026-03-29 22:00:00 CEST"});
}

TEST_CASE("Berlin: at certain hours, the hour that comes twice counts once") {
  const auto october = [](std::string_view line) {
    return local_ticks(cron(line, "Europe/Berlin"), "2026-10-23T23:00:00Z", "2026-10-26T05:00:00Z");
  };
  CHECK(october("30 2 * * *") ==
        Texts{"2026-10-24 02:30:00 CEST", "2026-10-25 02:30:00 CEST", "2026-10-26 02:30:00 CET"});
  CHECK(october("*/30 2-3 25 10 *") == Texts{"2026-10-25 02:00:00 CEST", "2026-10-25 02:30:00 CEST",
                                             "2026-10-25 03:00:00 CET", "2026-10-25 03:30:00 CET"});
  // Asked in the second of the two hours, the next is tomorrow's.
  CHECK(cron("30 2 * * *", "Europe/Berlin").next(at("2026-10-25T01:10:00Z")) == at("2026-10-26T01:30:00Z"));
}

TEST_CASE("Berlin: in every hour, the clock is followed as it runs") {
  const Timetable half_hours = cron("*/30 * * * *", "Europe/Berlin");
  CHECK(local_ticks(half_hours, "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z") ==
        Texts{"2026-03-29 01:30:00 CET", "2026-03-29 03:00:00 CEST", "2026-03-29 03:30:00 CEST"});
  CHECK(local_ticks(half_hours, "2026-10-25T00:00:00Z", "2026-10-25T02:30:00Z") ==
        Texts{"2026-10-25 02:30:00 CEST", "2026-10-25 02:00:00 CET", "2026-10-25 02:30:00 CET",
              "2026-10-25 03:00:00 CET"});
  CHECK(local_ticks(cron("15 * 29 3 *", "Europe/Berlin"), "2026-03-28T22:00:00Z", "2026-03-29T22:30:00Z").size() == 23);
  CHECK(local_ticks(cron("15 * 25 10 *", "Europe/Berlin"), "2026-10-24T20:00:00Z", "2026-10-25T23:30:00Z").size() ==
        25);
}

TEST_CASE("New York: both changes") {
  const Timetable nightly = cron("30 2 * * *", "America/New_York");
  CHECK(local_ticks(nightly, "2026-03-07T06:00:00Z", "2026-03-09T12:00:00Z") ==
        Texts{"2026-03-07 02:30:00 EST", "2026-03-08 03:00:00 EDT", "2026-03-09 02:30:00 EDT"});
  const Timetable one_thirty = cron("30 1 * * *", "America/New_York");
  CHECK(local_ticks(one_thirty, "2026-10-31T06:00:00Z", "2026-11-02T12:00:00Z") ==
        Texts{"2026-11-01 01:30:00 EDT", "2026-11-02 01:30:00 EST"});
  CHECK(local_ticks(cron("30 * * * *", "America/New_York"), "2026-11-01T05:00:00Z", "2026-11-01T08:00:00Z") ==
        Texts{"2026-11-01 01:30:00 EDT", "2026-11-01 01:30:00 EST", "2026-11-01 02:30:00 EST"});
}

TEST_CASE("Lord Howe: half an hour is missing, half an hour comes twice") {
  // 2026-10-04 02:00 +10:30 becomes 02:30 +11; 2026-04-05 02:00 +11 becomes 01:30 +10:30.
  const std::string zone = "Australia/Lord_Howe";
  CHECK(local_ticks(cron("15 2 * * *", zone), "2026-10-02T15:00:00Z", "2026-10-04T16:00:00Z") ==
        Texts{"2026-10-03 02:15:00 +1030", "2026-10-04 02:30:00 +11", "2026-10-05 02:15:00 +11"});
  CHECK(local_ticks(cron("*/15 * * * *", zone), "2026-10-03T15:15:00Z", "2026-10-03T15:50:00Z") ==
        Texts{"2026-10-04 02:30:00 +11", "2026-10-04 02:45:00 +11"});
  CHECK(local_ticks(cron("45 1 * * *", zone), "2026-04-03T15:00:00Z", "2026-04-05T16:00:00Z") ==
        Texts{"2026-04-05 01:45:00 +11", "2026-04-06 01:45:00 +1030"});
  CHECK(local_ticks(cron("*/15 * * * *", zone), "2026-04-04T14:30:00Z", "2026-04-04T15:40:00Z") ==
        Texts{"2026-04-05 01:45:00 +11", "2026-04-05 01:30:00 +1030", "2026-04-05 01:45:00 +1030",
              "2026-04-05 02:00:00 +1030"});
}

TEST_CASE("A day that a zone left out is made up for as an hour is") {
  // Samoa went from the 29th to the 31st of December 2011.
  CHECK(local_ticks(cron("0 12 * * *", "Pacific/Apia"), "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z") ==
        Texts{"2011-12-29 12:00:00 -10", "2011-12-31 00:00:00 +14", "2011-12-31 12:00:00 +14"});
}

TEST_CASE("The ticks are the same from wherever they are asked for") {
  for (const char* line : {"30 2 * * *", "*/20 * * * *", "7 1-3 * * *", "0 0 * * sun"}) {
    for (const char* zone : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"}) {
      CAPTURE(line, zone);
      const Timetable timetable = cron(line, zone);
      const WallTime end = at("2026-12-01T00:00:00Z");
      std::size_t wrong = 0;
      WallTime now = at("2026-01-01T00:00:00Z");
      std::optional<WallTime> expected = timetable.next(now);
      for (; now < end; now += 307s) {
        while (*expected <= now) {
          const auto following = timetable.next(*expected);
          REQUIRE(following);
          wrong += *following <= *expected;
          expected = following;
        }
        wrong += timetable.next(now) != expected;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("What is no time zone is refused") {
  for (const char* zone : {"Europe/Berln", "", "/etc/passwd", "../../../etc/passwd", "CEST+2x"}) {
    auto made = Timetable::cron("0 0 * * *", zone);
    CAPTURE(zone);
    REQUIRE_FALSE(made);
    CHECK(made.error().message.find("is no time zone of this system") != std::string::npos);
  }
}

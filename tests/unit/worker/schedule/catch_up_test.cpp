#include "worker/schedule/catch_up.h"

#include <catch2/catch.hpp>

#include "base/iso8601.h"

using namespace wherry;
using namespace wherry::schedule;
using namespace std::chrono_literals;

namespace {

const WallTime noon = parse_iso8601("2026-11-29T12:00:00Z").value();

using Policy = CatchUp::Policy;
using Ticks = std::vector<WallTime>;

}  // namespace

TEST_CASE("Nothing is due before the next tick") {
  const Timetable hourly = Timetable::every(1h);
  const Due due = due_ticks(hourly, noon, noon + 59min, {});
  CHECK(due.ticks.empty());
  CHECK_FALSE(due.dropped);
  // A clock that was set back.
  CHECK(due_ticks(hourly, noon, noon - 5h, {}).ticks.empty());
}

TEST_CASE("A tick within its grace is due whatever the policy") {
  const Timetable hourly = Timetable::every(1h);
  for (const Policy policy : {Policy::skip, Policy::last, Policy::all}) {
    for (const auto late : {0s, 1s, 60s}) {
      const Due due = due_ticks(hourly, noon - 1h, noon + late, {.policy = policy});
      CHECK(due.ticks == Ticks{noon});
      CHECK_FALSE(due.dropped);
    }
  }
  CHECK(due_ticks(Timetable::every(10s), noon - 30s, noon, {.policy = Policy::skip}).ticks ==
        Ticks{noon - 20s, noon - 10s, noon});
}

TEST_CASE("skip leaves out what was missed") {
  const Due due = due_ticks(Timetable::every(1h), noon - 5h, noon + 61s, {.policy = Policy::skip});
  CHECK(due.ticks.empty());
  CHECK(due.dropped == noon);
}

TEST_CASE("last makes up for one, unless one is due anyway") {
  const Timetable hourly = Timetable::every(1h);
  const Due late = due_ticks(hourly, noon - 5h, noon + 30min, {.policy = Policy::last});
  CHECK(late.ticks == Ticks{noon});
  CHECK(late.dropped == noon - 1h);
  const Due in_time = due_ticks(hourly, noon - 5h, noon + 30s, {.policy = Policy::last});
  CHECK(in_time.ticks == Ticks{noon});
  CHECK(in_time.dropped == noon - 1h);
  CHECK_FALSE(due_ticks(hourly, noon - 1h, noon + 30min, {.policy = Policy::last}).dropped);
}

TEST_CASE("all makes up for all, up to its limit") {
  const Timetable hourly = Timetable::every(1h);
  const Due due = due_ticks(hourly, noon - 3h, noon + 30min, {.policy = Policy::all});
  CHECK(due.ticks == Ticks{noon - 2h, noon - 1h, noon});
  CHECK_FALSE(due.dropped);
  const Due bounded = due_ticks(hourly, noon - 5h, noon, {.policy = Policy::all, .limit = 2});
  CHECK(bounded.ticks == Ticks{noon - 2h, noon - 1h, noon});
  CHECK(bounded.dropped == noon - 3h);
}

TEST_CASE("Years without a scheduler cost no more than an hour") {
  const Due due = due_ticks(Timetable::every(1s), WallTime{}, noon, {.policy = Policy::all, .limit = 3, .grace = 1s});
  CHECK(due.ticks == Ticks{noon - 4s, noon - 3s, noon - 2s, noon - 1s, noon});
  CHECK(due.dropped == noon - 5s);
}

#include "worker/schedule/agenda.h"

#include <catch2/catch.hpp>

#include "base/iso8601.h"

using namespace wherry;
using namespace wherry::schedule;
using namespace std::chrono_literals;

namespace {

const WallTime noon = parse_iso8601("2026-11-29T12:00:00Z").value();

Entry entry(std::string name, std::chrono::seconds interval, CatchUp catch_up = {}) {
  return {.name = std::move(name), .timetable = Timetable::every(interval), .task = "t", .catch_up = catch_up};
}

std::vector<WallTime> times(const std::vector<Agenda::Tick>& ticks) {
  std::vector<WallTime> out;
  for (const auto& tick : ticks) out.push_back(tick.at);
  return out;
}

using Times = std::vector<WallTime>;

}  // namespace

TEST_CASE("A new entry begins now and comes at its ticks, each once") {
  const std::vector<Entry> entries{entry("a", 10s)};
  Agenda agenda(entries);
  agenda.begin(noon + 1s);
  CHECK(agenda.changed());
  CHECK(agenda.state(noon + 1s).at("a").until == noon + 1s);
  CHECK_FALSE(agenda.changed());
  CHECK(agenda.next() == noon + 10s);
  CHECK(agenda.take(noon + 9s).empty());
  const auto ticks = agenda.take(noon + 10s);
  REQUIRE(times(ticks) == Times{noon + 10s});
  CHECK_FALSE(agenda.idle());
  CHECK_FALSE(agenda.next());
  CHECK(agenda.take(noon + 20s).empty());
  agenda.enqueued(ticks[0]);
  CHECK(agenda.changed());
  CHECK(agenda.state(noon + 20s).at("a").until == noon + 10s);
  CHECK(times(agenda.take(noon + 20s)) == Times{noon + 20s});
}

TEST_CASE("What the last scheduler had not seen to is due, one tick after the other") {
  const std::vector<Entry> entries{entry("a", 10s)};
  Agenda agenda(entries);
  agenda.learn({{"a", {"every 10s", noon, noon}}});
  agenda.begin(noon + 25s);
  for (const auto at : {noon + 10s, noon + 20s}) {
    const auto ticks = agenda.take(noon + 25s);
    REQUIRE(times(ticks) == Times{at});
    agenda.enqueued(ticks[0]);
  }
  CHECK(agenda.take(noon + 25s).empty());
}

TEST_CASE("What failed is taken again later, until it is too late for it") {
  const std::vector<Entry> entries{entry("a", 1h, {.policy = CatchUp::Policy::skip, .grace = 60s}), entry("b", 1h)};
  Agenda agenda(entries);
  agenda.begin(noon - 1s);
  auto ticks = agenda.take(noon);
  REQUIRE(ticks.size() == 2);
  agenda.failed(ticks[0], noon + 5s);
  agenda.enqueued(ticks[1]);
  CHECK(agenda.next() == noon + 5s);
  CHECK(agenda.take(noon + 4s).empty());
  ticks = agenda.take(noon + 5s);
  REQUIRE(times(ticks) == Times{noon});
  agenda.failed(ticks[0], noon + 65s);
  CHECK(agenda.take(noon + 65s).empty());
  CHECK(agenda.take_notes() ==
        std::vector<std::string>{"a: what was due from 2026-11-29 12:00:00 UTC to 2026-11-29 12:00:00 UTC was missed "
                                 "and is left out"});
  CHECK(agenda.next() == noon + 1h);
}

TEST_CASE("What is under way may be claimed, and a claim is taken back when it failed") {
  const std::vector<Entry> entries{entry("a", 10s)};
  Agenda agenda(entries);
  agenda.begin(noon);
  const auto ticks = agenda.take(noon + 10s);
  REQUIRE(ticks.size() == 1);
  CHECK(agenda.state(noon + 10s).at("a").until == noon);
  CHECK(agenda.state(noon + 10s, Agenda::UnderWay::claimed).at("a").until == noon + 10s);
  CHECK_FALSE(agenda.changed());
  agenda.failed(ticks[0], noon + 15s);
  CHECK(agenda.changed());
  CHECK(agenda.state(noon + 10s, Agenda::UnderWay::claimed).at("a").until == noon);
}

TEST_CASE("An entry with other times begins anew, and other schedulers' entries are kept") {
  const std::vector<Entry> entries{entry("a", 10s, {.policy = CatchUp::Policy::all})};
  Agenda agenda(entries);
  agenda.learn({{"a", {"every 1s", noon - 1h, noon}}, {"b", {"every 1s", noon, noon}}});
  agenda.begin(noon + 5s);
  CHECK(times(agenda.take(noon + 10s)) == Times{noon + 10s});
  CHECK(agenda.state(noon + 10s).contains("b"));
  CHECK_FALSE(agenda.state(noon + 8 * 24h).contains("b"));
}

TEST_CASE("An active scheduler learns of ticks that another one has seen to, and keeps its own times") {
  const std::vector<Entry> entries{entry("a", 10s)};
  Agenda agenda(entries);
  agenda.begin(noon);
  agenda.learn({{"a", {"every 10s", noon + 20s, noon}}});
  CHECK(agenda.next() == noon + 30s);
  agenda.learn({{"a", {"every 1s", noon + 60s, noon + 1h}}});
  CHECK(agenda.next() == noon + 30s);
  agenda.learn({{"a", {"every 10s", noon, noon}}});
  CHECK(agenda.next() == noon + 30s);
}

TEST_CASE("Other entries begin now, and those that stay go on where they were") {
  std::vector<Entry> entries{entry("stays", 10s), entry("goes", 10s), entry("changes", 10s)};
  Agenda agenda(entries);
  agenda.begin(noon);
  for (const auto& tick : agenda.take(noon + 10s)) agenda.enqueued(tick);
  (void)agenda.state(noon + 10s);
  entries = {entry("new", 10s), entry("stays", 10s), entry("changes", 7s)};
  agenda.entries_changed(noon + 25s);
  CHECK(agenda.changed());
  const State state = agenda.state(noon + 25s);
  CHECK(state.at("stays").until == noon + 10s);
  CHECK(state.at("new").until == noon + 25s);
  CHECK(state.at("changes").until == noon + 25s);
  CHECK(state.contains("goes"));  // For when it comes back.
  CHECK(times(agenda.take(noon + 25s)) == Times{noon + 20s});
}

#include "worker/schedule/state.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::schedule;
using namespace std::chrono_literals;

namespace {

const WallTime some_day{1'796'000'000s};

State merged(State one, const State& other) {
  merge(one, other);
  return one;
}

}  // namespace

TEST_CASE("A state is read as it was written") {
  const State state{{"invoices", {"cron 30 6 * * 1-5 UTC", some_day, some_day + 2s}},
                    {"säubern", {"every 10m", some_day + 250ms, some_day}}};
  CHECK(decode_state(encode_state(state)).value() == state);
  CHECK(decode_state(encode_state({})).value().empty());
  CHECK(encode_state({{"a", {"every 1s", some_day, some_day}}}) ==
        R"({"version": 1, "entries": {"a": {"timetable": "every 1s", "until": "2026-11-30T00:53:20+00:00", )"
        R"("seen": "2026-11-30T00:53:20+00:00"}}})");
}

TEST_CASE("What is no state is refused") {
  for (const char* text : {"", "[]", "{}", R"({"version": 2, "entries": {}})", R"({"version": 1})",
                           R"({"version": 1, "entries": {"a": {}}})",
                           R"({"version": 1, "entries": {"a": {"timetable": "", "until": "x", "seen": "y"}}})"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_state(text));
  }
}

TEST_CASE("States merge to the latest, in any order") {
  const State early{{"a", {"every 1s", some_day, some_day}}, {"gone", {"every 1s", some_day, some_day}}};
  const State late{{"a", {"every 1s", some_day + 5s, some_day + 6s}}, {"b", {"every 1s", some_day, some_day}}};
  const State both{{"a", late.at("a")}, {"b", late.at("b")}, {"gone", early.at("gone")}};
  CHECK(merged(early, late) == both);
  CHECK(merged(late, early) == both);
}

TEST_CASE("Of different times those that were seen last count, however far the others got") {
  const State before{{"a", {"every 1s", some_day + 60s, some_day}}};
  const State changed{{"a", {"every 5s", some_day, some_day + 1s}}};
  CHECK(merged(before, changed) == changed);
  CHECK(merged(changed, before) == changed);
}

TEST_CASE("What nobody has had for long is forgotten") {
  State state{{"a", {"every 1s", some_day, some_day}}, {"b", {"every 1s", some_day, some_day - 1s}}};
  forget(state, some_day);
  CHECK(state.size() == 1);
  CHECK(state.contains("a"));
}

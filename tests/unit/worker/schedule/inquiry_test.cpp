#include "worker/schedule/inquiry.h"

#include <catch2/catch.hpp>

#include "base/iso8601.h"

using namespace wherry;
using namespace wherry::schedule;
using namespace std::chrono_literals;

namespace {

const WallTime noon = parse_iso8601("2026-11-29T12:00:00Z").value();

std::string text_of(const task::Value& from, std::string_view key) {
  const task::Value* value = from.find(key);
  const auto* text = value ? value->get<std::string>() : nullptr;
  return text ? *text : "";
}

}  // namespace

TEST_CASE("Who asks is told what is due, where it goes and up to when it was seen to") {
  Settings settings;
  settings.entries.push_back({.name = "a", .timetable = Timetable::every(10min), .task = "t", .args = {1, "x"}});
  settings.entries.push_back({.name = "b", .timetable = Timetable::every(1h), .task = "t"});
  settings.entries.back().options.queue = "slow";
  const State state{{"a", {.timetable = "every 10m", .until = noon - 10min, .seen = noon}},
                    {"b", {.timetable = "every 2h", .until = noon - 2h, .seen = noon}}};
  const auto told = describe_entries(settings, state, sdk::Router("celery"), "scheduler@web", noon + 1s);
  const auto* entries = told.get<task::Value::Array>();
  REQUIRE(entries);
  REQUIRE(entries->size() == 2);
  const task::Value& first = entries->front();
  CHECK(text_of(first, "name") == "a");
  CHECK(text_of(first, "task") == "t");
  CHECK(text_of(first, "times") == "every 10m");
  CHECK(text_of(first, "queue") == "celery");
  CHECK(text_of(first, "args") == "(1, 'x')");
  CHECK(text_of(first, "scheduler") == "scheduler@web");
  CHECK(text_of(first, "seen_to") == format_iso8601(noon - 10min));
  const auto* next = first.find("next")->get<task::Value::Array>();
  REQUIRE(next);
  REQUIRE(next->size() == 3);
  CHECK(*next->front().get<std::string>() == format_iso8601(noon + 10min));
  CHECK(*next->back().get<std::string>() == format_iso8601(noon + 30min));
  // What is known of other times says nothing of these.
  CHECK(entries->back().find("seen_to")->is_null());
  CHECK(text_of(entries->back(), "queue") == "slow");
}

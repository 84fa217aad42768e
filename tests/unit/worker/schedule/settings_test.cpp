#include "worker/schedule/settings.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::schedule;
using namespace std::chrono_literals;

namespace {

Result<Settings> read(std::string_view text) {
  yaml::Document document = yaml::Document::parse(text, "s.yaml", no_environment());
  Settings settings = read_schedule(document);
  if (auto finished = document.finish(); !finished) return tl::unexpected(finished.error());
  return settings;
}

std::string mistakes(std::string_view text) {
  auto settings = read(text);
  REQUIRE_FALSE(settings);
  return settings.error().message;
}

}  // namespace

TEST_CASE("A schedule's entries have their times, arguments, options and catch-up") {
  const Settings settings = read(R"(
name: billing.schedule
timezone: Europe/Berlin
grace: 30s
beat_schedule:
  invoices:
    task: billing.send
    cron: "30 6 * * mon-fri"
    args: [1, two, [3.5, null], {deep: true}]
    kwargs: {who: "7", count: 7}
    options: {queue: billing, priority: 5, expires: 2h, headers: {tenant: a}, serializer: json}
    catch_up: all
    catch_up_limit: 3
  clean-up: {task: files.clean_up, every: 10m, catch_up: skip, grace: 5s}
  off: {task: x, every: 1s, enabled: false}
  celery: {task: x, crontab: {minute: 0, hour: "*/3", day_of_week: sunday}, timezone: UTC, options: {exchange: e, routing_key: k}}
)")
                                .value();
  CHECK(settings.name == "billing.schedule");
  REQUIRE(settings.entries.size() == 3);
  const Entry& invoices = settings.entries[0];
  CHECK(invoices.name == "invoices");
  CHECK(invoices.task == "billing.send");
  CHECK(invoices.timetable.text() == "cron 30 6 * * mon-fri Europe/Berlin");
  CHECK(invoices.args == wherry::args(1, "two", task::Value::Array{3.5, nullptr}, task::Value::Map{{"deep", true}}));
  CHECK(invoices.kwargs == Kwargs{{"who", "7"}, {"count", 7}});
  CHECK(invoices.options.queue == "billing");
  CHECK(invoices.options.priority == 5);
  CHECK(invoices.options.expires == 2h);
  CHECK(invoices.options.headers.at("tenant") == task::Value("a"));
  CHECK(invoices.options.serializer == Serializer::json);
  CHECK(invoices.catch_up.policy == CatchUp::Policy::all);
  CHECK(invoices.catch_up.limit == 3);
  CHECK(invoices.catch_up.grace == 30s);
  CHECK(settings.entries[1].timetable.text() == "every 10m");
  CHECK(settings.entries[1].catch_up.policy == CatchUp::Policy::skip);
  CHECK(settings.entries[1].catch_up.grace == 5s);
  CHECK(settings.entries[2].timetable.text() == "crontab 0 */3 * * sunday UTC");
  CHECK(settings.entries[2].options.exchange == "e");
}

TEST_CASE("An entry's mistakes are said at their places") {
  CHECK(mistakes("beat_schedule: {a: {task: x}}") == "s.yaml:1:20: an entry has one of 'every', 'cron' and 'crontab'");
  CHECK(mistakes("beat_schedule: {a: {task: x, every: 1s, cron: '* * * * *'}}") ==
        "s.yaml:1:20: an entry has one of 'every', 'cron' and 'crontab'");
  CHECK(mistakes("beat_schedule: {a: {every: 1s}}") == "s.yaml:1:20: 'beat_schedule.*.task' is missing");
  CHECK(mistakes("beat_schedule: {a: {task: x, every: 1.5s}}") ==
        "s.yaml:1:37: 'every' counts in steps of 1s, got 1.5s");
  CHECK(mistakes("beat_schedule: {a: {task: x, every: 0s}}").find("'every' must be between 1s and") !=
        std::string::npos);
  CHECK(mistakes("beat_schedule: {a: {task: x, cron: 61 * * * *}}") ==
        "s.yaml:1:36: minute: '61': it goes from 0 to 59");
  CHECK(mistakes("beat_schedule: {a: {task: x, crontab: {hour: 24}}}") ==
        "s.yaml:1:39: hour: '24': it goes from 0 to 23");
  CHECK(mistakes("beat_schedule:\n  a:\n    task: x\n    every: 1s\n    que: y\n")
            .find("s.yaml:5:5: unknown key 'que'") == 0);
  CHECK(mistakes("timezone: Europe/Berln\nbeat_schedule: {a: {task: x, cron: '* * * * *'}}")
            .find("s.yaml:1:11: 'Europe/Berln' is no time zone") == 0);
  CHECK(mistakes("beat_schedule: {a: {task: x, cron: '* * * * *', timezone: Mars/Olympus}}")
            .find("s.yaml:1:59: 'Mars/Olympus' is no time zone") == 0);
  CHECK(mistakes("beat_schedule: {a: {task: x, every: 1s, options: {queue: q, exchange: e}}}")
            .find("'queue' and 'exchange' exclude each other") != std::string::npos);
}

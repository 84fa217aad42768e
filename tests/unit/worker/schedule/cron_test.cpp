#include "worker/schedule/cron.h"

#include <chrono>

#include <catch2/catch.hpp>

using namespace wherry::schedule;
using namespace std::chrono;

namespace {

std::vector<int> values_of(std::uint64_t bits) {
  std::vector<int> out;
  for (int i = 0; i < 64; ++i)
    if (bits >> i & 1) out.push_back(i);
  return out;
}

std::int64_t day_of(int year, unsigned month, unsigned day) {
  return sys_days(std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day)).time_since_epoch().count();
}

// The days on which it is due in a month.
std::vector<unsigned> days_in(const Cron& cron, int year, unsigned month) {
  std::vector<unsigned> out;
  for (auto at = next_match(cron, {day_of(year, month, 1), 0});; at = next_match(cron, {at->day + 1, 0})) {
    REQUIRE(at);
    const year_month_day date{sys_days(days(at->day))};
    if (date.year() != std::chrono::year(year) || date.month() != std::chrono::month(month)) return out;
    out.push_back(static_cast<unsigned>(date.day()));
  }
}

std::string error_of(std::string_view line) {
  auto cron = parse_cron(line);
  REQUIRE_FALSE(cron);
  return cron.error().message;
}

}  // namespace

TEST_CASE("A crontab line has numbers, ranges, steps and lists") {
  const auto cron = parse_cron("0,20,40-42 8-17/3 1,15 */4 1-5").value();
  CHECK(values_of(cron.minutes) == std::vector{0, 20, 40, 41, 42});
  CHECK(values_of(cron.hours) == std::vector{8, 11, 14, 17});
  CHECK(values_of(cron.days_of_month) == std::vector{1, 15});
  CHECK(values_of(cron.months) == std::vector{1, 5, 9});
  CHECK(values_of(cron.days_of_week) == std::vector{1, 2, 3, 4, 5});
  CHECK_FALSE(cron.every_hour());
  CHECK(parse_cron("*/15 */1 * * *").value().every_hour());
}

TEST_CASE("Months and days of the week go by name") {
  const auto cron = parse_cron("0 0 * jan,Sept-DECEMBER mon,Thursday-sat").value();
  CHECK(values_of(cron.months) == std::vector{1, 9, 10, 11, 12});
  CHECK(values_of(cron.days_of_week) == std::vector{1, 4, 5, 6});
}

TEST_CASE("Sunday is 0 and 7, and ranges may go round") {
  auto weekdays = [](std::string_view field) {
    return values_of(parse_cron("0 0 * * " + std::string(field)).value().days_of_week);
  };
  CHECK(weekdays("7") == std::vector{0});
  CHECK(weekdays("0") == std::vector{0});
  CHECK(weekdays("7-7") == std::vector{0});
  CHECK(weekdays("5-7") == std::vector{0, 5, 6});
  CHECK(weekdays("7-1") == std::vector{0, 1});
  CHECK(weekdays("0-7") == std::vector{0, 1, 2, 3, 4, 5, 6});
  CHECK(weekdays("sat-sun") == std::vector{0, 6});
  CHECK(weekdays("fri-mon") == std::vector{0, 1, 5, 6});
  CHECK(weekdays("fri-mon/2") == std::vector{0, 5});
  CHECK(values_of(parse_cron("0 22-4 * * *").value().hours) == std::vector{0, 1, 2, 3, 4, 22, 23});
  CHECK(values_of(parse_cron("0 0 30-2 * *").value().days_of_month) == std::vector{1, 2, 30, 31});
}

TEST_CASE("In a crontab line one of the two days is enough, unless one of them is a star") {
  CHECK(days_in(parse_cron("0 0 13 * fri").value(), 2026, 11) == std::vector<unsigned>{6, 13, 20, 27});
  CHECK(days_in(parse_cron("0 0 14 * fri").value(), 2026, 11) == std::vector<unsigned>{6, 13, 14, 20, 27});
  CHECK(days_in(parse_cron("0 0 14 * *").value(), 2026, 11) == std::vector<unsigned>{14});
  CHECK(days_in(parse_cron("0 0 * * fri").value(), 2026, 11) == std::vector<unsigned>{6, 13, 20, 27});
  CHECK(days_in(parse_cron("0 0 */2 * fri").value(), 2026, 11) == std::vector<unsigned>{13, 27});
}

TEST_CASE("In Celery's crontab both days must hold") {
  const auto friday_13 =
      parse_crontab({.minute = "0", .hour = "0", .day_of_month = "13", .day_of_week = "fri"}).value();
  CHECK(days_in(friday_13, 2026, 11) == std::vector<unsigned>{13});
  CHECK(days_in(friday_13, 2026, 12).empty());
  CHECK(values_of(parse_crontab({}).value().minutes).size() == 60);
}

TEST_CASE("Nicknames stand for their lines") {
  CHECK(parse_cron("@hourly").value() == parse_cron("0 * * * *").value());
  CHECK(parse_cron("@daily").value() == parse_cron("0 0 * * *").value());
  CHECK(parse_cron("@weekly").value() == parse_cron("0 0 * * sun").value());
  CHECK(parse_cron("@monthly").value() == parse_cron("0 0 1 * *").value());
  CHECK(parse_cron("@yearly").value() == parse_cron("0 0 1 1 *").value());
}

TEST_CASE("The next minute is found within the day, on the next day and in the next leap year") {
  const auto cron = parse_cron("15,45 9-10 * * *").value();
  const std::int64_t day = day_of(2026, 11, 29);
  CHECK(next_match(cron, {day, 0}) == CivilMinute{day, 9 * 60 + 15});
  CHECK(next_match(cron, {day, 9 * 60 + 15}) == CivilMinute{day, 9 * 60 + 15});
  CHECK(next_match(cron, {day, 9 * 60 + 16}) == CivilMinute{day, 9 * 60 + 45});
  CHECK(next_match(cron, {day, 9 * 60 + 46}) == CivilMinute{day, 10 * 60 + 15});
  CHECK(next_match(cron, {day, 10 * 60 + 46}) == CivilMinute{day + 1, 9 * 60 + 15});
  CHECK(next_match(parse_cron("0 0 29 2 *").value(), {day, 0}) == CivilMinute{day_of(2028, 2, 29), 0});
  const auto leap_monday = parse_crontab({.day_of_month = "29", .month_of_year = "2", .day_of_week = "1"}).value();
  CHECK(next_match(leap_monday, {day_of(2072, 3, 1), 0}) == CivilMinute{day_of(2112, 2, 29), 0});
}

TEST_CASE("What a crontab line cannot mean is refused with the field and the reason") {
  CHECK(error_of("61 * * * *") == "minute: '61': it goes from 0 to 59");
  CHECK(error_of("* 24 * * *") == "hour: '24': it goes from 0 to 23");
  CHECK(error_of("* * 0 * *") == "day of the month: '0': it goes from 1 to 31");
  CHECK(error_of("* * * 13 *") == "month: '13': it goes from 1 to 12");
  CHECK(error_of("* * * * 8") == "day of the week: '8': it goes from 0 to 6");
  CHECK(error_of("* * * * freitag1") == "day of the week: 'freitag1': neither a number nor a name");
  CHECK(error_of("* * * * mo") == "day of the week: 'mo': neither a number nor a name");
  CHECK(error_of("x * * * *") == "minute: 'x': no number");
  CHECK(error_of("-5 * * * *") == "minute: '': no number");
  CHECK(error_of("1,,2 * * * *") == "minute: '': no number");
  CHECK(error_of("5/15 * * * *") == "minute: '5/15': a step needs a range: 5-59/15");
  CHECK(error_of("*/0 * * * *") == "minute: '*/0': a step is a number above 0");
  CHECK(error_of("*/90 * * * *") == "minute: '*/90': a step of 90 does not fit into 60; is it meant as 'every'?");
  CHECK(error_of("0 0 30 2 *") == "there is no such day in any year");
  CHECK(error_of("0 0 31 4,jun,9,nov *") == "there is no such day in any year");
  CHECK(error_of("* * * *").find("five fields") != std::string::npos);
  CHECK(error_of("0 0 * * * *").find("five fields") != std::string::npos);
  CHECK(error_of("@reboot").find("five fields") != std::string::npos);
  CHECK(error_of("").find("five fields") != std::string::npos);
}

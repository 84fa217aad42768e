// Cron: the five fields of a crontab line, and which minutes of the calendar they mean. Pure: knows no time zone.
//
// Two spellings with one difference, docs/schedules.md has both: parse_cron() takes a line of crontab(5), where a day
// of the month and a day of the week are alternatives; parse_crontab() takes the fields of Celery's crontab(), where
// both must hold.
//
// Errors: one sentence that names the field and quotes what is wrong. Threads: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wherry::schedule {

// Days and minutes of the (proleptic Gregorian) calendar, as a clock on the wall shows them.
struct CivilMinute {
  std::int64_t day = 0;  // Since 1970-01-01.
  int minute = 0;        // Of that day, 0..1439.
  friend auto operator<=>(const CivilMinute&, const CivilMinute&) = default;
};

// Bit n is set: the value n is meant.
struct Cron {
  std::uint64_t minutes = 0;        // 0..59
  std::uint32_t hours = 0;          // 0..23
  std::uint32_t days_of_month = 0;  // 1..31
  std::uint32_t months = 0;         // 1..12
  std::uint32_t days_of_week = 0;   // 0..6, Sunday is 0.
  bool either_day = false;          // One of days_of_month and days_of_week is enough.

  bool every_hour() const { return hours == (1u << 24) - 1; }
  bool has_day(std::int64_t day) const;
  friend bool operator==(const Cron&, const Cron&) = default;
};

Result<Cron> parse_cron(std::string_view line);

struct CrontabFields {
  std::string minute = "*";
  std::string hour = "*";
  std::string day_of_month = "*";
  std::string month_of_year = "*";
  std::string day_of_week = "*";
};
Result<Cron> parse_crontab(const CrontabFields& fields);

// The first minute that is meant, at from or after it. None: there is none within 41 years, by when every date with
// every day of the week has come.
std::optional<CivilMinute> next_match(const Cron& cron, CivilMinute from);

}  // namespace wherry::schedule

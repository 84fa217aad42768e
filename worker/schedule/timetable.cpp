#include "worker/schedule/timetable.h"

#include <cctz/time_zone.h>
#include <fmt/format.h>

#include "base/assert.h"
#include "base/units.h"

namespace wherry::schedule {

namespace {

using Seconds = cctz::time_point<cctz::seconds>;

CivilMinute civil_minute(const cctz::civil_second& time) {
  return {cctz::civil_day(time) - cctz::civil_day(1970, 1, 1), time.hour() * 60 + time.minute()};
}
// The first whole minute at time or after it.
CivilMinute minute_at_or_after(const cctz::civil_second& time) {
  return civil_minute(time.second() == 0 ? time : time + 60 - time.second());
}
CivilMinute minute_after(CivilMinute time) {
  return time.minute == 1439 ? CivilMinute{time.day + 1, 0} : CivilMinute{time.day, time.minute + 1};
}
cctz::civil_second civil_time(CivilMinute minute) {
  return cctz::civil_second(cctz::civil_minute(cctz::civil_day(1970, 1, 1) + minute.day) + minute.minute);
}

}  // namespace

struct Timetable::Zone {
  cctz::time_zone rules;
};

Timetable Timetable::every(std::chrono::seconds interval) {
  WHERRY_ASSERT(interval.count() > 0);
  Timetable out;
  out.interval_ = interval;
  out.zone_ = std::make_shared<Zone>(Zone{cctz::utc_time_zone()});
  out.text_ = fmt::format("every {}", format_duration(interval));
  return out;
}

Result<Timetable> Timetable::cron(std::string_view line, const std::string& zone) {
  return make(parse_cron(line), zone, fmt::format("cron {} {}", line, zone));
}

Result<Timetable> Timetable::crontab(const CrontabFields& fields, const std::string& zone) {
  return make(parse_crontab(fields), zone,
              fmt::format("crontab {} {} {} {} {} {}", fields.minute, fields.hour, fields.day_of_month,
                          fields.month_of_year, fields.day_of_week, zone));
}

Result<Timetable> Timetable::make(Result<Cron> cron, const std::string& zone, std::string text) {
  if (!cron) return tl::unexpected(cron.error());
  Zone found;
  // The library reads any path; a zone is a name of the database.
  const bool is_name = !zone.empty() && zone.front() != '/' && zone.find("..") == zone.npos && zone != "localtime";
  if (!is_name || !cctz::load_time_zone(zone, &found.rules)) {
    return fail(
        fmt::format("'{}' is no time zone of this system; they are called as in /usr/share/zoneinfo, such as "
                    "Europe/Berlin",
                    zone));
  }
  Timetable out;
  out.cron_ = *cron;
  out.zone_ = std::make_shared<Zone>(found);
  out.text_ = std::move(text);
  return out;
}

std::optional<WallTime> Timetable::next(WallTime after) const {
  if (interval_.count() > 0) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(after.time_since_epoch()).count();
    const auto behind = ((whole % interval_.count()) + interval_.count()) % interval_.count();
    return WallTime(std::chrono::seconds(whole - behind + interval_.count()));
  }
  return cron_.every_hour() ? next_of_every_hour(after) : next_of_certain_hours(after);
}

// Each minute of the calendar has one moment: its own, the first of its two, or the end of the gap that it fell into.
// These moments never go back from one minute to the next, so the first one that is after is the tick.
std::optional<WallTime> Timetable::next_of_certain_hours(WallTime after) const {
  const auto start = std::chrono::floor<std::chrono::seconds>(after);
  CivilMinute from = civil_minute(zone_->rules.lookup(start).cs);
  while (auto match = next_match(cron_, from)) {
    const auto found = zone_->rules.lookup(civil_time(*match));
    const Seconds moment = found.kind == cctz::time_zone::civil_lookup::SKIPPED ? found.trans : found.pre;
    if (moment > after) return moment;
    from = minute_after(*match);
  }
  return std::nullopt;
}

// Between two changes of the zone the calendar is a straight line; on each piece, the first minute that is meant.
std::optional<WallTime> Timetable::next_of_every_hour(WallTime after) const {
  Seconds start = std::chrono::floor<std::chrono::seconds>(after) + cctz::seconds(1);
  for (;;) {
    const cctz::civil_second here = zone_->rules.lookup(start).cs;
    const auto match = next_match(cron_, minute_at_or_after(here));
    if (!match) return std::nullopt;
    const Seconds moment = start + cctz::seconds(civil_time(*match) - here);
    cctz::time_zone::civil_transition change;
    if (!zone_->rules.next_transition(start, &change)) return moment;
    const Seconds end = start + cctz::seconds(change.from - here);
    if (moment < end) return moment;
    start = end;
  }
}

std::string Timetable::local(WallTime tick) const {
  return cctz::format("%Y-%m-%d %H:%M:%S %Z", tick, zone_->rules);
}

}  // namespace wherry::schedule

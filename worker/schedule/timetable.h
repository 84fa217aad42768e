// Timetable: when an entry is due. From a point in time to the next tick after it; pure, so the same for every
// scheduler, and the same when it is asked again.
//
//   auto nightly = Timetable::cron("30 2 * * *", "Europe/Berlin");
//   std::optional<WallTime> tick = nightly->next(now);
//
// Ticks are whole seconds. What happens to hours that daylight saving takes away or gives twice is said in
// docs/schedules.md: an entry of certain hours is due once, at the first moment after the hour that does not exist and
// in the first of the two; an entry of every hour is due whenever its minute shows on the clock.
//
// Errors: one sentence. Threads: a value that is never changed; copies share what they know of the zone. The zone's
// rules are those that the system had when the process first asked for it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "worker/schedule/cron.h"

namespace wherry::schedule {

class Timetable {
 public:
  // At the multiples of this since 1970. Precondition: 1 s or more, in whole seconds.
  static Timetable every(std::chrono::seconds interval);
  // zone: of the system's database, "Europe/Berlin".
  static Result<Timetable> cron(std::string_view line, const std::string& zone);
  static Result<Timetable> crontab(const CrontabFields& fields, const std::string& zone);

  // None: never again, within the range of the clock.
  std::optional<WallTime> next(WallTime after) const;
  // The same text for the same times: what a stored state compares. "every 10m", "cron 30 2 * * * Europe/Berlin".
  const std::string& text() const { return text_; }
  // The tick as the zone's clocks show it: "2026-03-29 03:00:00 CEST". UTC for an interval.
  std::string local(WallTime tick) const;

 private:
  struct Zone;
  Timetable() = default;
  static Result<Timetable> make(Result<Cron> cron, const std::string& zone, std::string text);
  std::optional<WallTime> next_of_certain_hours(WallTime after) const;
  std::optional<WallTime> next_of_every_hour(WallTime after) const;

  std::chrono::seconds interval_{0};  // 0: cron_ holds.
  Cron cron_;
  std::shared_ptr<const Zone> zone_;
  std::string text_;
};

}  // namespace wherry::schedule

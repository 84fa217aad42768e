#include "base/iso8601.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace wherry {

namespace {

using namespace std::chrono;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : left_(text) {}

  bool at_end() const { return left_.empty(); }
  bool digit_next() const { return !left_.empty() && left_[0] >= '0' && left_[0] <= '9'; }
  bool take(char c) {
    if (left_.empty() || left_[0] != c) return false;
    left_.remove_prefix(1);
    return true;
  }
  // Exactly so many digits.
  bool number(std::size_t digits, int& into) {
    into = 0;
    for (; digits > 0; --digits) {
      if (!digit_next()) return false;
      into = into * 10 + (left_[0] - '0');
      left_.remove_prefix(1);
    }
    return true;
  }
  // One digit or more; those after the ninth are cut.
  bool fraction(nanoseconds& into) {
    if (!digit_next()) return false;
    std::int64_t value = 0, unit = 1'000'000'000;
    for (; digit_next(); left_.remove_prefix(1)) {
      if (unit == 1) continue;
      value = value * 10 + (left_[0] - '0');
      unit /= 10;
    }
    into = nanoseconds(value * unit);
    return true;
  }

 private:
  std::string_view left_;
};

// Hours and minutes after the sign, with or without a colon; Python may add seconds.
bool read_offset(Scanner& in, seconds& offset) {
  int hour = 0, minute = 0, second = 0;
  if (!in.number(2, hour)) return false;
  if (!in.at_end()) {
    in.take(':');
    if (!in.number(2, minute)) return false;
    if (in.take(':') && !in.number(2, second)) return false;
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  offset = hours(hour) + minutes(minute) + seconds(second);
  return true;
}

// The calendar is checked by the standard library, the range of the clock here.
std::optional<WallTime> read(std::string_view text) {
  Scanner in(text);
  int y = 0, m = 0, d = 0, hour = 0, minute = 0, second = 0;
  nanoseconds fraction{0};
  seconds offset{0};
  if (!in.number(4, y) || !in.take('-') || !in.number(2, m) || !in.take('-') || !in.number(2, d)) return std::nullopt;
  const year_month_day date{year(y), month(static_cast<unsigned>(m)), day(static_cast<unsigned>(d))};
  if (!date.ok() || y < 1) return std::nullopt;
  if (!in.at_end()) {
    if (!in.take('T') && !in.take(' ')) return std::nullopt;
    if (!in.number(2, hour) || !in.take(':') || !in.number(2, minute)) return std::nullopt;
    if (in.take(':') && !in.number(2, second)) return std::nullopt;
    if (in.take('.') && !in.fraction(fraction)) return std::nullopt;
    // A leap second is read as the second after it.
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
    if (in.take('+')) {
      if (!read_offset(in, offset)) return std::nullopt;
    } else if (in.take('-')) {
      if (!read_offset(in, offset)) return std::nullopt;
      offset = -offset;
    } else {
      in.take('Z');
    }
    if (!in.at_end()) return std::nullopt;
  }
  const seconds whole = sys_days(date).time_since_epoch() + hours(hour) + minutes(minute) + seconds(second) - offset;
  constexpr seconds first = ceil<seconds>(WallTime::min().time_since_epoch());
  constexpr seconds last = floor<seconds>(WallTime::max().time_since_epoch()) - seconds(1);
  if (whole < first) return WallTime(first);
  if (whole > last) return WallTime(last);
  return WallTime(duration_cast<WallTime::duration>(whole) + duration_cast<WallTime::duration>(fraction));
}

}  // namespace

std::string format_iso8601(WallTime time) {
  const auto micros = floor<microseconds>(time.time_since_epoch());
  const auto days_since = floor<days>(micros);
  const year_month_day date{sys_days(days_since)};
  const hh_mm_ss clock{micros - days_since};
  char text[64];
  int size = std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                           static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                           static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                           static_cast<int>(clock.seconds().count()));
  std::string out(text, static_cast<std::size_t>(size));
  if (clock.subseconds().count() != 0) {
    size = std::snprintf(text, sizeof text, ".%06d", static_cast<int>(clock.subseconds().count()));
    out.append(text, static_cast<std::size_t>(size));
  }
  return out += "+00:00";
}

Result<WallTime> parse_iso8601(std::string_view text) {
  if (auto time = read(text)) return *time;
  return fail("no ISO 8601 time: \"" + std::string(text.substr(0, 60)) + "\"");
}

}  // namespace wherry

#include "worker/schedule/cron.h"

#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <span>
#include <vector>

#include <fmt/format.h>

namespace wherry::schedule {

namespace {

using namespace std::string_view_literals;

constexpr int days_searched = 41 * 366;

constexpr std::array month_names{"jan"sv, "feb"sv, "mar"sv, "apr"sv, "may"sv, "jun"sv,
                                 "jul"sv, "aug"sv, "sep"sv, "oct"sv, "nov"sv, "dec"sv};
constexpr std::array weekday_names{"sun"sv, "mon"sv, "tue"sv, "wed"sv, "thu"sv, "fri"sv, "sat"sv};

struct Field {
  std::string_view called;
  int least;
  int most;
  std::span<const std::string_view> names = {};
  int also = -1;  // A number beyond most that means least: 7 is Sunday.
};
constexpr Field minute_field{"minute", 0, 59};
constexpr Field hour_field{"hour", 0, 23};
constexpr Field day_of_month_field{"day of the month", 1, 31};
constexpr Field month_field{"month", 1, 12, month_names};
constexpr Field day_of_week_field{"day of the week", 0, 6, weekday_names, 7};

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_number(std::string_view text, int& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc{} && end == text.data() + text.size() && !text.starts_with('-');
}

tl::unexpected<Error> wrong(const Field& field, std::string_view text, std::string_view why) {
  return fail(fmt::format("{}: '{}': {}", field.called, text, why));
}

// Names count by their first three letters, as cron and Celery read them; what follows must be letters too.
Result<int> parse_value(const Field& field, std::string_view text) {
  int number = 0;
  if (is_number(text, number)) {
    if ((number >= field.least && number <= field.most) || number == field.also) return number;
    return wrong(field, text, fmt::format("it goes from {} to {}", field.least, field.most));
  }
  const std::string word = lower_case(text);
  const bool letters = word.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == word.npos;
  for (std::size_t i = 0; letters && word.size() >= 3 && i < field.names.size(); ++i) {
    if (word.starts_with(field.names[i])) return field.least + static_cast<int>(i);
  }
  return wrong(field, text, field.names.empty() ? "no number" : "neither a number nor a name");
}

// "*", "5", "8-17", "*/15", "8-17/2", "fri-mon": adds what it means.
Result<void> add_part(const Field& field, std::string_view part, std::uint64_t& into) {
  const std::size_t slash = part.find('/');
  const std::string_view range = part.substr(0, slash);
  const std::size_t dash = range.find('-');
  const int count = field.most - field.least + 1;
  int step = 1;
  if (slash != part.npos) {
    if (!is_number(part.substr(slash + 1), step) || step < 1) return wrong(field, part, "a step is a number above 0");
    if (range != "*" && dash == range.npos) {
      return wrong(field, part, fmt::format("a step needs a range: {}-{}/{}", range, field.most, step));
    }
    if (step > count) {
      return wrong(field, part, fmt::format("a step of {} does not fit into {}; is it meant as 'every'?", step, count));
    }
  }
  int first = field.least;
  int last = field.most;
  if (range != "*") {
    auto from = parse_value(field, range.substr(0, dash));
    if (!from) return tl::unexpected(from.error());
    first = last = *from;
    if (dash != range.npos) {
      auto to = parse_value(field, range.substr(dash + 1));
      if (!to) return tl::unexpected(to.error());
      last = *to;
    }
  }
  // 7 at the end of a range goes on from 6; at its beginning, or alone, it is 0.
  if (first == field.also) {
    first = field.least;
    if (last == field.also) last = field.least;
  }
  const int values = (last >= first ? last - first : last + count - first) + 1;
  for (int i = 0; i < values; i += step) into |= 1ull << (field.least + (first - field.least + i) % count);
  return {};
}

Result<std::uint64_t> parse_field(const Field& field, std::string_view text) {
  std::uint64_t out = 0;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    if (auto added = add_part(field, rest.substr(0, comma), out); !added) return tl::unexpected(added.error());
    if (comma == rest.npos) return out;
    rest.remove_prefix(comma + 1);
  }
}

Result<Cron> parse_fields(std::span<const std::string_view, 5> text) {
  auto minutes = parse_field(minute_field, text[0]);
  if (!minutes) return tl::unexpected(minutes.error());
  auto hours = parse_field(hour_field, text[1]);
  if (!hours) return tl::unexpected(hours.error());
  auto days = parse_field(day_of_month_field, text[2]);
  if (!days) return tl::unexpected(days.error());
  auto months = parse_field(month_field, text[3]);
  if (!months) return tl::unexpected(months.error());
  auto weekdays = parse_field(day_of_week_field, text[4]);
  if (!weekdays) return tl::unexpected(weekdays.error());
  return Cron{.minutes = *minutes,
              .hours = static_cast<std::uint32_t>(*hours),
              .days_of_month = static_cast<std::uint32_t>(*days),
              .months = static_cast<std::uint32_t>(*months),
              .days_of_week = static_cast<std::uint32_t>(*weekdays)};
}

Result<Cron> that_comes(Cron cron) {
  if (!next_match(cron, {})) return fail("there is no such day in any year");
  return cron;
}

std::vector<std::string_view> split_words(std::string_view line) {
  constexpr std::string_view blanks = " \t";
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(blanks); at != line.npos;) {
    const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(blanks, end);
  }
  return words;
}

// The first set bit at from or above; -1: none.
int bit_from(std::uint64_t bits, int from) {
  if (from > 63) return -1;
  bits &= ~0ull << from;
  return bits == 0 ? -1 : std::countr_zero(bits);
}

// -1: none on this day.
int minute_from(const Cron& cron, int from) {
  for (int hour = bit_from(cron.hours, from / 60); hour >= 0; hour = bit_from(cron.hours, hour + 1)) {
    const int minute = bit_from(cron.minutes, hour == from / 60 ? from % 60 : 0);
    if (minute >= 0) return hour * 60 + minute;
  }
  return -1;
}

}  // namespace

bool Cron::has_day(std::int64_t day) const {
  const std::chrono::sys_days date{std::chrono::days(day)};
  const std::chrono::year_month_day calendar(date);
  if ((months >> static_cast<unsigned>(calendar.month()) & 1) == 0) return false;
  const bool by_month = days_of_month >> static_cast<unsigned>(calendar.day()) & 1;
  const bool by_week = days_of_week >> std::chrono::weekday(date).c_encoding() & 1;
  return either_day ? by_month || by_week : by_month && by_week;
}

Result<Cron> parse_cron(std::string_view line) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> nicknames{{{"@hourly", "0 * * * *"},
                                                                                    {"@daily", "0 0 * * *"},
                                                                                    {"@midnight", "0 0 * * *"},
                                                                                    {"@weekly", "0 0 * * 0"},
                                                                                    {"@monthly", "0 0 1 * *"},
                                                                                    {"@yearly", "0 0 1 1 *"},
                                                                                    {"@annually", "0 0 1 1 *"}}};
  for (const auto& [nickname, meaning] : nicknames) {
    if (line == nickname) line = meaning;
  }
  const std::vector<std::string_view> words = split_words(line);
  if (words.size() != 5) {
    return fail(
        fmt::format("'{}': five fields (minute, hour, day of the month, month, day of the week), or @hourly, "
                    "@daily, @weekly, @monthly, @yearly",
                    line));
  }
  auto cron = parse_fields(std::span<const std::string_view, 5>(words));
  if (!cron) return cron;
  cron->either_day = !words[2].starts_with('*') && !words[4].starts_with('*');
  return that_comes(*cron);
}

Result<Cron> parse_crontab(const CrontabFields& fields) {
  const std::array<std::string_view, 5> words{fields.minute, fields.hour, fields.day_of_month, fields.month_of_year,
                                              fields.day_of_week};
  auto cron = parse_fields(words);
  if (!cron) return cron;
  return that_comes(*cron);
}

std::optional<CivilMinute> next_match(const Cron& cron, CivilMinute from) {
  for (int i = 0; i < days_searched; ++i, ++from.day, from.minute = 0) {
    if (!cron.has_day(from.day)) continue;
    if (const int minute = minute_from(cron, from.minute); minute >= 0) return CivilMinute{from.day, minute};
  }
  return std::nullopt;
}

}  // namespace wherry::schedule

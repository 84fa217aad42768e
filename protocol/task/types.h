// Types that JSON has no word for and Python has a class for: they arrive as that class at Python workers, and are read
// as well from the strings that older producers and other serializers make of them.
//
//   struct Invoice {
//     static constexpr auto task_name = "invoice.send";
//     wherry::task::Decimal amount;     // {"__type__": "decimal", "__value__": "12.50"} in JSON
//     wherry::task::Date due;           // {"__type__": "date", "__value__": "2026-01-31"}
//   };
//
// kombu reads and writes these forms since its version 5.3; before, it takes them for plain maps. So a time that older
// Pythons are to read is a std::chrono time point, which travels as a string (convert.h). MessagePack knows none of
// them: there they are strings, as kombu's users send them.
//
// Errors: "expected a date, got string \"abc\"". Threads: plain data.
#pragma once

#include <chrono>
#include <compare>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "protocol/task/value.h"

namespace wherry::task {

struct DateTime {  // A point in time: datetime.datetime, in UTC.
  WallTime at = {};
  Value to_value() const;
  static Result<DateTime> from_value(const Value& value);
  friend auto operator<=>(const DateTime&, const DateTime&) = default;
};

struct Date {  // datetime.date
  std::chrono::year_month_day day = {};
  Value to_value() const;
  static Result<Date> from_value(const Value& value);
  friend auto operator<=>(const Date&, const Date&) = default;
};

struct TimeOfDay {  // datetime.time without a zone: from 0 to a day.
  std::chrono::microseconds since_midnight{0};
  Value to_value() const;
  static Result<TimeOfDay> from_value(const Value& value);
  friend auto operator<=>(const TimeOfDay&, const TimeOfDay&) = default;
};

struct Uuid {  // uuid.UUID, in the spelling of base/uuid.h.
  std::string text = "00000000-0000-0000-0000-000000000000";
  Value to_value() const;
  static Result<Uuid> from_value(const Value& value);
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

// decimal.Decimal, by its digits: "12.50", "-3", "1E+6". What is to be reckoned with is for a library of decimals.
// Equal only when spelled alike.
struct Decimal {
  std::string text = "0";
  Value to_value() const;
  static Result<Decimal> from_value(const Value& value);
  friend bool operator==(const Decimal&, const Decimal&) = default;
};

// What a map {"__type__": ..., "__value__": ...} of one of these stands for where there is no such form: the string;
// null for any other map.
const Value* plain_form(const Value::Map& map, Value& made);

}  // namespace wherry::task

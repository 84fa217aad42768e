#include "protocol/task/types.h"

#include <catch2/catch.hpp>

#include "protocol/task/bind.h"
#include "protocol/task/json.h"
#include "protocol/task/msgpack.h"

using namespace wherry;
using namespace wherry::task;
using namespace std::chrono_literals;

namespace {

struct Invoice {
  DateTime at;
  Date day;
  TimeOfDay time;
  Uuid id;
  Decimal amount;
  Bytes raw;
};

const Invoice invoice{.at = {WallTime(1'769'860'800'250ms)},
                      .day = {2026y / 1 / 31},
                      .time = {12h + 30min + 5s + 250ms},
                      .id = {"6f1c3a0e-8d1b-4f4e-9d39-1f5c7f1f6f55"},
                      .amount = {"12.50"},
                      .raw = {"\xff\x00"}};

template <class T>
Result<T> spelled_as(std::string text) {
  return from_value<T>(Value(std::move(text)));
}

}  // namespace

TEST_CASE("In JSON they have kombu's forms", "[types]") {
  CHECK(encode_json(to_value(invoice.at)) ==
        R"({"__type__": "datetime", "__value__": "2026-01-31T12:00:00.250000+00:00"})");
  CHECK(encode_json(to_value(invoice.day)) == R"({"__type__": "date", "__value__": "2026-01-31"})");
  CHECK(encode_json(to_value(invoice.time)) == R"({"__type__": "time", "__value__": "12:30:05.250000"})");
  CHECK(encode_json(to_value(TimeOfDay{9h})) == R"({"__type__": "time", "__value__": "09:00:00"})");
  CHECK(encode_json(to_value(invoice.id)) ==
        R"({"__type__": "uuid", "__value__": {"hex": "6f1c3a0e8d1b4f4e9d391f5c7f1f6f55"}})");
  CHECK(encode_json(to_value(invoice.amount)) == R"({"__type__": "decimal", "__value__": "12.50"})");
}

TEST_CASE("In MessagePack they are strings, as kombu has no forms there", "[types]") {
  const auto read = decode_msgpack(*encode_msgpack(to_value(invoice)));
  REQUIRE(read);
  CHECK(*read->find("at") == Value("2026-01-31T12:00:00.250000+00:00"));
  CHECK(*read->find("day") == Value("2026-01-31"));
  CHECK(*read->find("time") == Value("12:30:05.250000"));
  CHECK(*read->find("id") == Value("6f1c3a0e-8d1b-4f4e-9d39-1f5c7f1f6f55"));
  CHECK(*read->find("amount") == Value("12.50"));
}

TEST_CASE("They come back from either serializer, and without one", "[types]") {
  const Value value = to_value(invoice);
  for (const Value& each : {*decode_json(*encode_json(value)), *decode_msgpack(*encode_msgpack(value)), value}) {
    const auto read = from_value<Invoice>(each);
    REQUIRE(read);
    CHECK(read->at == invoice.at);
    CHECK(read->day == invoice.day);
    CHECK(read->time == invoice.time);
    CHECK(read->id == invoice.id);
    CHECK(read->amount == invoice.amount);
    CHECK(read->raw == invoice.raw);
  }
}

TEST_CASE("The spellings of older kombu and of Python are read", "[types]") {
  CHECK(spelled_as<Date>("2026-01-31T00:00:00")->day == 2026y / 1 / 31);
  CHECK(spelled_as<DateTime>("2026-01-31T12:00:00.250Z")->at == invoice.at.at);
  CHECK(spelled_as<TimeOfDay>("12:30")->since_midnight == 12h + 30min);
  CHECK(spelled_as<TimeOfDay>("12:30:05.25")->since_midnight == invoice.time.since_midnight);
  CHECK(spelled_as<Uuid>("6F1C3A0E8D1B4F4E9D391F5C7F1F6F55")->text == invoice.id.text);
  CHECK(from_value<Decimal>(Value(7))->text == "7");
  for (const char* good : {"0", "-1.5", "+1.", ".5", "1E+6", "1e-9"}) CHECK(spelled_as<Decimal>(good));
}

TEST_CASE("What is none of them is named with its place", "[types]") {
  for (const char* bad : {"", "2026-02-30", "2026-1-1", "2026-01-31T10:00:00"}) CHECK_FALSE(spelled_as<Date>(bad));
  for (const char* bad : {"", "24:00", "12:60", "12:30:60", "12:30:00.", "1:30"})
    CHECK_FALSE(spelled_as<TimeOfDay>(bad));
  for (const char* bad : {"", "6f1c3a0e", "6f1c3a0e8d1b4f4e9d391f5c7f1f6f5g"}) CHECK_FALSE(spelled_as<Uuid>(bad));
  for (const char* bad : {"", ".", "-", "1e", "1 000", "NaN", "0x1"}) CHECK_FALSE(spelled_as<Decimal>(bad));
  CHECK_FALSE(from_value<Decimal>(Value(0.5)));  // Its digits are lost.

  Value wrong = to_value(invoice);
  set(*wrong.get<Value::Map>(), "day", "tomorrow");
  CHECK(from_value<Invoice>(wrong).error().message == "field 'day': expected a date, got string \"tomorrow\"");
  CHECK(bind_parameters<Date>({Value(1)}, {}).error().message == "argument 1: expected a date, got integer 1");
}

TEST_CASE("A map that only looks like one of them stays a map", "[types]") {
  const Value own = Value::Map{{"__type__", "colour"}, {"__value__", "red"}};
  CHECK(decode_msgpack(*encode_msgpack(own)).value() == own);
  const Value more = Value::Map{{"__type__", "date"}, {"__value__", "2026-01-31"}, {"note", 1}};
  CHECK(decode_msgpack(*encode_msgpack(more)).value() == more);
}

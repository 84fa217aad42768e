#include <cmath>
#include <limits>

#include <catch2/catch.hpp>

#include "base/utf8.h"
#include "protocol/task/base64.h"
#include "protocol/task/json.h"
#include "protocol/task/msgpack.h"
#include "protocol/task/repr.h"
#include "tests/unit/protocol/task/random_value.h"

using namespace wherry;
using namespace wherry::task;

namespace {

std::string json_error(std::string_view text) {
  auto value = decode_json(text);
  return value ? "read as " + repr(*value) : value.error().message;
}

std::string msgpack_error(std::string_view bytes) {
  auto value = decode_msgpack(bytes);
  return value ? "read as " + repr(*value) : value.error().message;
}

std::string raw(std::initializer_list<int> bytes) {
  std::string out;
  for (int byte : bytes) out += static_cast<char>(byte);
  return out;
}

Value nested(std::size_t depth) {
  Value value = Value::Array{};
  for (; depth > 1; --depth) value = Value::Array{std::move(value)};
  return value;
}

}  // namespace

TEST_CASE("equal integers are equal values, and differ from numbers") {
  CHECK(Value(1) == Value(1u));
  CHECK(Value(1ull).get<std::int64_t>() != nullptr);
  CHECK(Value(~0ull).get<std::uint64_t>() != nullptr);
  CHECK_FALSE(Value(1) == Value(1.0));
  CHECK_FALSE(Value(1) == Value(true));
  CHECK_FALSE(Value("a") == Value(Bytes{"a"}));
}

TEST_CASE("what is encoded is decoded to the same value, by both serializers") {
  std::mt19937_64 random(20'260'131);
  for (int round = 0; round < 3'000; ++round) {
    const Value value = random_value(random);
    CAPTURE(repr(value));
    auto json = encode_json(value);
    REQUIRE(json);
    auto from_json = decode_json(*json);
    CAPTURE(*json);
    REQUIRE(from_json);
    REQUIRE(*from_json == value);
    auto packed = encode_msgpack(value);
    REQUIRE(packed);
    auto from_packed = decode_msgpack(*packed);
    REQUIRE(from_packed);
    REQUIRE(*from_packed == value);
  }
}

TEST_CASE("damaged and random bytes give a value or one error") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 4'000; ++round) {
    const Value value = random_value(random);
    for (std::string bytes : {*encode_json(value), *encode_msgpack(value)}) {
      for (auto changes = 1 + random() % 3; changes > 0 && !bytes.empty(); --changes) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      if (random() % 2 == 0) bytes.resize(random() % (bytes.size() + 1));
      for (const auto& result : {decode_json(bytes), decode_msgpack(bytes)}) {
        if (!result) REQUIRE_FALSE(result.error().message.empty());
      }
    }
  }
}

TEST_CASE("JSON is written as Python reads it") {
  CHECK(*encode_json(Value::Map{{"a", Value::Array{1, -1, 1.5, 1.0, 1e22, nullptr, true}}, {"h\"\n", "é\x01"}}) ==
        R"({"a": [1, -1, 1.5, 1.0, 1e+22, null, true], "h\"\n": "é\u0001"})");
  CHECK(*encode_json(Bytes{"caf\xC3\xA9"}) == R"({"__type__": "bytes", "__value__": "café"})");
  CHECK(*encode_json(Bytes{raw({0, 0xFF})}) == R"({"__type__": "base64", "__value__": "AP8="})");
  CHECK(*encode_json(~0ull) == "18446744073709551615");
}

TEST_CASE("kombu's forms for what JSON has no word for are read") {
  CHECK(*decode_json(R"({"__type__": "datetime", "__value__": "2026-01-31T12:00:00Z"})") == "2026-01-31T12:00:00Z");
  CHECK(*decode_json(R"({"__type__": "decimal", "__value__": "1.10"})") == "1.10");
  CHECK(*decode_json(R"([{"__type__": "uuid", "__value__": {"hex": "0123456789abcdef0123456789abcdef"}}])") ==
        Value::Array{"01234567-89ab-cdef-0123-456789abcdef"});
  CHECK(*decode_json(R"({"__type__": "base64", "__value__": "AP8="})") == Bytes{raw({0, 0xFF})});
  CHECK(*decode_json(R"({"__type__": "bytes", "__value__": "x", "more": 1})") ==
        Value::Map{{"__type__", "bytes"}, {"__value__", "x"}, {"more", 1}});
  CHECK(json_error(R"({"__type__": "complex", "__value__": 1})") ==
        "no value of __type__ \"complex\": integer 1 at byte 39");
}

TEST_CASE("JSON that is none, or too much, is one error with its place") {
  CHECK(json_error("[1, 2") == "not JSON at byte 5");
  CHECK(json_error("[1, nope]") == "not JSON at byte 6");
  CHECK(json_error("") == "not JSON at byte 0");
  CHECK(json_error("1 2") == "not JSON at byte 3");
  CHECK(json_error("[NaN]") == "not JSON at byte 2");
  CHECK(json_error("[1e999]") == "not JSON at byte 7");
  CHECK(json_error("[18446744073709551616]") == "an integer beyond 64 bits at byte 22");
  CHECK(json_error("\"a\xFF\"") == "not UTF-8 at byte 2");
  CHECK(json_error(R"("\ud800")").starts_with("not JSON at byte"));
  CHECK(json_error(std::string(100'000, '[')) == "nested deeper than 64 levels at byte 65");
  CHECK(decode_json(std::string(64, '[') + std::string(64, ']')));
}

TEST_CASE("what a serializer cannot hold is refused") {
  CHECK(encode_json(std::nan("")).error().message == "JSON cannot hold NaN");
  CHECK(encode_json(Value::Array{-std::numeric_limits<double>::infinity()}).error().message ==
        "JSON cannot hold an infinity");
  for (auto encode : {encode_json, encode_msgpack}) {
    CHECK(encode(raw({'a', 0xFF})).error().message == "a string that is not UTF-8; raw bytes are sent as task::Bytes");
    CHECK(encode(Value::Map{{raw({0xC0, 0x80}), 1}}).error().message.starts_with("a string that is not UTF-8"));
    CHECK(encode(nested(64)));
    CHECK(encode(nested(65)).error().message == "nested deeper than 64 levels");
  }
}

TEST_CASE("MessagePack is written in its shortest forms") {
  CHECK(*encode_msgpack(Value::Map{{"a", Value::Array{1, -1, 300, nullptr, true, "x"}}}) ==
        raw({0x81, 0xA1, 'a', 0x96, 0x01, 0xFF, 0xCD, 0x01, 0x2C, 0xC0, 0xC3, 0xA1, 'x'}));
  CHECK(*encode_msgpack(Bytes{"x"}) == raw({0xC4, 1, 'x'}));
  CHECK(*encode_msgpack(2.0) == raw({0xCB, 0x40, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(*encode_msgpack(1.5) == raw({0xCB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0}));
  CHECK(*decode_msgpack(raw({0xCA, 0x3F, 0xC0, 0, 0})) == 1.5);
  CHECK(*decode_msgpack(raw({0xD3, 0, 0, 0, 0, 0, 0, 0, 5})) == 5);
}

TEST_CASE("MessagePack keys that are no strings become text") {
  CHECK(*decode_msgpack(raw({0x84, 0x01, 0x0A, 0xC3, 0x0B, 0xC0, 0x0C, 0xC4, 1, 'b', 0x0D})) ==
        Value::Map{{"1", 10}, {"true", 11}, {"null", 12}, {"b", 13}});
}

TEST_CASE("of a key that is there twice the last value stays") {
  const Value expected = Value::Map{{"a", 3}, {"b", 2}};
  CHECK(*decode_json(R"({"a": 1, "b": 2, "a": 3})") == expected);
  CHECK(*decode_msgpack(raw({0x83, 0xA1, 'a', 1, 0xA1, 'b', 2, 0xA1, 'a', 3})) == expected);
}

TEST_CASE("MessagePack that is none, or too much, is one error with its place") {
  CHECK(msgpack_error("") == "cut short at byte 0");
  CHECK(msgpack_error(raw({0x92, 0x01})) == "cut short at byte 2");
  CHECK(msgpack_error(raw({0xA5, 'a'})) == "cut short at byte 1");
  CHECK(msgpack_error(raw({0xC1})) == "not MessagePack at byte 0");
  CHECK(msgpack_error(raw({0x01, 0x02})) == "something after the end at byte 1");
  CHECK(msgpack_error(raw({0xA1, 0xFF})).starts_with("a string that is not UTF-8 at byte "));
  CHECK(msgpack_error(raw({0xD4, 0x01, 0x00})).starts_with("an extension type at byte "));
  CHECK(msgpack_error(raw({0x81, 0x90, 0x01})).starts_with("an array or a map as key at byte "));
  CHECK(msgpack_error(raw({0xDD, 0xFF, 0xFF, 0xFF, 0xFF})) == "cut short at byte 5");
  CHECK(msgpack_error(std::string(100'000, '\x91')).starts_with("nested deeper than 64 levels at byte "));
}

TEST_CASE("values print as Python prints them") {
  const Value value = Value::Map{{"a", Value::Array{1.0, 1e16, 1e-5, 0.1, 1e22, 123456789012345680.0, -0.0, nullptr,
                                                    true, Bytes{raw({0, 'a', '\''})}, "it's", "\"'", "tab\té"}}};
  CHECK(repr(value) ==
        R"({'a': [1.0, 1e+16, 1e-05, 0.1, 1e+22, 1.2345678901234568e+17, -0.0, None, True, b"\x00a'", "it's", '"\'', )"
        R"('tab\té']})");
  CHECK(args_repr({2}) == "(2,)");
  CHECK(args_repr({2, "x"}) == "(2, 'x')");
  CHECK(args_repr({}) == "()");
  CHECK(kwargs_repr({{"y", 3}}) == "{'y': 3}");
}

TEST_CASE("a long repr is cut between characters") {
  std::string euros;
  for (int i = 0; i < 1'000; ++i) euros += "€";
  const std::string shown = kwargs_repr({{"text", euros}});
  CHECK(shown.size() <= max_repr);
  CHECK(shown.size() > max_repr - 6);
  CHECK(shown.ends_with("€..."));
  CHECK(is_utf8(shown));
}

TEST_CASE("base64 is exact") {
  CHECK(encode_base64("") == "");
  CHECK(encode_base64("f") == "Zg==");
  CHECK(encode_base64("foob") == "Zm9vYg==");
  CHECK(encode_base64("fooba") == "Zm9vYmE=");
  CHECK(decode_base64("Zm9vYmE=") == "fooba");
  for (std::string_view wrong : {"Zg=", "Z===", "Zg==Zg==", "Z*==", "===="})
    CHECK(decode_base64(wrong) == std::nullopt);
}

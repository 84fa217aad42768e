#include "broker/routing/deduplication.h"

#include <initializer_list>

#include <catch2/catch.hpp>

#include "protocol/amqp/properties.h"

using namespace wherry;
using namespace wherry::broker;

namespace {

constexpr std::uint64_t now = 1'000'000;

amqp::Table table(std::initializer_list<std::pair<const char*, amqp::FieldValue>> entries) {
  amqp::Table made;
  for (const auto& [name, value] : entries) made.set(name, value);
  return made;
}

std::string with_headers(amqp::Table headers) {
  amqp::Properties properties;
  properties.headers = std::move(headers);
  return amqp::encode_properties(properties);
}

}  // namespace

TEST_CASE("a key is a text or an integer, of its attempt, and of no dead letter") {
  const auto key_of = [](amqp::Table headers) { return deduplication_key(with_headers(std::move(headers))); };
  CHECK(key_of(table({{"x-deduplication-header", "k"}})) == "k");
  CHECK(key_of(table({{"x-deduplication-header", 7}})) == "7");
  CHECK(key_of(table({{"x-deduplication-header", std::int64_t{1} << 40}})) == "1099511627776");
  CHECK(key_of(table({{"x-deduplication-header", "k"}, {"retries", 0}})) == "k");
  CHECK(key_of(table({{"x-deduplication-header", "k"}, {"retries", 2}})) == "k#2");
  CHECK(key_of(table({{"x-deduplication-header", std::string(255, 'k')}})) == std::string(255, 'k'));
  CHECK_FALSE(key_of(table({{"x-deduplication-header", std::string(256, 'k')}})));
  CHECK_FALSE(key_of(table({{"x-deduplication-header", ""}})));
  CHECK_FALSE(key_of(table({{"x-deduplication-header", true}})));
  CHECK_FALSE(key_of(table({{"x-deduplication-header", "k"}, {"x-death", amqp::FieldArray{}}})));
  CHECK_FALSE(key_of(table({{"other", "x-deduplication-header"}})));
  CHECK_FALSE(deduplication_key(amqp::encode_properties({})));
}

TEST_CASE("another rule of the same kind keeps what is known, one of another kind forgets it") {
  Deduplication known({.window = true, .window_ms = 1000});
  for (const char* key : {"a", "b", "c"}) known.remember({.key = key, .since_ms = now});
  known.set_rule({.window = true, .window_ms = 1000, .most_keys = 2}, now);
  CHECK(known.size() == 2);
  CHECK(known.find("c", now) != nullptr);
  known.set_rule({.window = true, .window_ms = 10}, now + 10);
  CHECK(known.size() == 0);
  known.remember({.key = "d", .since_ms = now});
  known.set_rule({}, now);
  CHECK(known.size() == 0);
}

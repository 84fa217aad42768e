// Tables read and written pair by pair say the same as tables of values, and headers keep their bytes until changed.
#include "protocol/amqp/headers.h"

#include <catch2/catch.hpp>

#include "tests/unit/protocol/amqp/generate.h"

using namespace wherry;
using namespace wherry::amqp;
using test::Generator;

TEST_CASE("pairs read where they stand are those of the table") {
  INFO("WHERRY_SEED=" << test::seed());
  Generator generate(test::seed());
  for (int round = 0; round < 500; ++round) {
    const std::string bytes = encode_table(generate.table(3));
    const auto table = decode_table({bytes});
    REQUIRE(table);
    std::size_t at = 0;
    each_pair({bytes}, [&](std::string_view name, const FieldView& view) {
      REQUIRE(at < table->size());
      const auto& [expected_name, expected] = table->entries()[at++];
      CHECK(name == expected_name);
      CHECK(view.value() == expected);
      CHECK(view.is_null() == expected.is_null());
      const auto* text = expected.get<std::string>();
      CHECK(view.text() == (text ? std::optional<std::string_view>(*text) : std::nullopt));
      std::int64_t number = 0, expected_number = 0;
      REQUIRE(view.integer(number) == expected.integer(expected_number));
      CHECK(number == expected_number);
      bool flag = false;
      const auto* expected_flag = expected.get<bool>();
      REQUIRE(view.boolean(flag) == (expected_flag != nullptr));
      if (expected_flag) CHECK(flag == *expected_flag);
    });
    CHECK(at == table->size());
  }
}

TEST_CASE("every width of integer is read where it stands") {
  const std::pair<std::string, std::int64_t> cases[] = {
      {std::string("b\xff", 2), -1},
      {std::string("B\xff", 2), 255},
      {std::string("s\xff\xfe", 3), -2},
      {std::string("u\xff\xfe", 3), 65534},
      {std::string("I\xff\xff\xff\xfd", 5), -3},
      {std::string("i\xff\xff\xff\xff", 5), 4294967295},
      {std::string("l\xff\xff\xff\xff\xff\xff\xff\xfc", 9), -4},
      {std::string("L\x00\x00\x00\x01\x00\x00\x00\x00", 9), 4294967296},
  };
  for (const auto& [bytes, expected] : cases) {
    ByteReader from(bytes);
    FieldView view;
    std::int64_t number = 0;
    REQUIRE(next_field(from, view));
    REQUIRE(view.integer(number));
    CHECK(number == expected);
  }
}

TEST_CASE("what ends in the middle of a pair ends the reading, whatever is cut") {
  Generator generate(test::seed());
  const std::string bytes = encode_table(generate.table(3));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);  // Its own memory: a read past its end is one that sanitizers see.
    each_pair({cut}, [](std::string_view, const FieldView& view) { (void)view.raw.size(); });
  }
}

TEST_CASE("pairs written one by one are the bytes of the table") {
  Table nested;
  nested.set("x", std::int32_t{1});
  const std::pair<std::string, FieldValue> pairs[] = {{"null", {}},
                                                      {"text", std::string(300, 't')},
                                                      {"", std::string()},
                                                      {"yes", true},
                                                      {"no", false},
                                                      {"small", std::int32_t{-7}},
                                                      {"large", std::int64_t{1} << 40},
                                                      {"array", FieldArray(2)},
                                                      {"table", nested}};
  std::string written, values;
  PairWriter to(written), by_value(values);
  Table table;
  for (const auto& [name, value] : pairs) {
    table.entries().emplace_back(name, value);
    by_value.value(name, value);
  }
  to.null("null");
  to.text("text", std::string(300, 't'));
  to.text("", "");
  to.boolean("yes", true);
  to.boolean("no", false);
  to.integer("small", -7);
  to.integer("large", std::int64_t{1} << 40);
  to.nested("array", 'A', "VV");
  to.nested("table", 'F', encode_table(nested));
  CHECK(written == encode_table(table));
  CHECK(values == written);
}

TEST_CASE("headers pass on the bytes that they came as, until they are changed") {
  // A type that is read and never written: what passes through keeps it.
  const std::string bytes("\1a\x42\x07\1bV", 7);
  Headers headers = Headers::of_bytes(bytes);
  std::string room;
  CHECK(headers.bytes(room) == bytes);
  std::int64_t number = 0;
  CHECK(headers.integer("a", number));
  CHECK(number == 7);
  CHECK(headers.bytes(room) == bytes);

  headers.set("a", std::int32_t{8});
  CHECK(headers.bytes(room) == std::string("\1aI\0\0\0\10\1bV", 10));
  CHECK(headers == Headers(*decode_table({headers.bytes(room)})));
}

TEST_CASE("headers of values and of bytes are equal when they hold the same") {
  Generator generate(test::seed());
  const std::string bytes = encode_table(generate.table(2));
  CHECK(Headers::of_bytes(bytes) == Headers(*decode_table({bytes})));
  CHECK(Headers() == Headers::of_bytes(""));
  CHECK(Headers().empty());
}

// What is encoded decodes to the same; what is not valid gives one clean error.
#include <catch2/catch.hpp>

#include "protocol/amqp/method_codec.h"
#include "tests/unit/protocol/amqp/generate.h"

using namespace wherry;
using namespace wherry::amqp;
using test::Generator;

namespace {

bool same(const Method& a, const Method& b) {
  if (a.index() != b.index()) return false;
  return std::visit([&]<class M>(const M& x) { return reflect::tie(x) == reflect::tie(std::get<M>(b)); }, a);
}

std::string encoded(const Method& method) {
  std::string bytes;
  encode_method(method, bytes);
  return bytes;
}

}  // namespace

TEST_CASE("every method decodes to what was encoded") {
  INFO("WHERRY_SEED=" << test::seed());
  Generator generate(test::seed());
  for (std::size_t place = 0; place < std::variant_size_v<Method>; ++place) {
    for (int round = 0; round < 100; ++round) {
      Method method = generate.method(place);
      std::string bytes = encoded(method);
      REQUIRE(bytes.size() == encoded_size(method));
      auto back = decode_method(bytes);
      INFO(name_of(method));
      REQUIRE(back);
      REQUIRE(same(method, *back));
      REQUIRE(encoded(*back) == bytes);
    }
  }
}

TEST_CASE("a method that is cut anywhere, or goes on too long, is a syntax error that names it") {
  INFO("WHERRY_SEED=" << test::seed());
  Generator generate(test::seed());
  for (std::size_t place = 0; place < std::variant_size_v<Method>; ++place) {
    Method method = generate.method(place);
    std::string bytes = encoded(method);
    INFO(name_of(method));
    for (std::size_t size = 4; size < bytes.size(); ++size) {
      auto cut = decode_method(std::string_view(bytes).substr(0, size));
      REQUIRE(!cut);
      REQUIRE(cut.error().code == ReplyCode::syntax_error);
      REQUIRE(cut.error().offender == id_of(method));
    }
    auto longer = decode_method(bytes + "x");
    REQUIRE(!longer);
    REQUIRE(longer.error().code == ReplyCode::syntax_error);
  }
}

TEST_CASE("an id that is no method is not implemented, whatever the id") {
  std::size_t known = 0;
  for (unsigned class_id = 0; class_id < 300; ++class_id) {
    for (unsigned method_id = 0; method_id < 300; ++method_id) {
      char id[4];
      store_big(id, static_cast<std::uint16_t>(class_id));
      store_big(id + 2, static_cast<std::uint16_t>(method_id));
      auto decoded = decode_method({id, 4});
      if (decoded || decoded.error().code != ReplyCode::not_implemented) ++known;
    }
  }
  CHECK(known == std::variant_size_v<Method>);
}

TEST_CASE("tables decode to what was encoded") {
  INFO("WHERRY_SEED=" << test::seed());
  Generator generate(test::seed());
  for (int round = 0; round < 2000; ++round) {
    Table table = generate.table(5);
    std::string raw = encode_table(table);
    REQUIRE(check_table({raw}));
    auto back = decode_table({raw});
    REQUIRE(back);
    REQUIRE(*back == table);
    REQUIRE(encode_table(*back) == raw);
  }
}

TEST_CASE("checking a table and decoding it agree on any bytes") {
  INFO("WHERRY_SEED=" << test::seed());
  Generator generate(test::seed());
  for (int round = 0; round < 5000; ++round) {
    std::string raw = encode_table(generate.table(3));
    for (std::size_t n = generate.below(3) + 1; n > 0 && !raw.empty(); --n) {
      raw[generate.below(raw.size())] = static_cast<char>(generate.number());
    }
    if (generate.coin()) raw.resize(generate.below(raw.size() + 1));
    auto checked = check_table({raw});
    auto decoded = decode_table({raw});
    REQUIRE(checked.has_value() == decoded.has_value());
    if (!checked) REQUIRE(checked.error().message == decoded.error().message);
  }
}

TEST_CASE("tables nest 32 deep and no deeper") {
  auto nested = [](int depth) {
    Table table;
    for (int i = 1; i < depth; ++i) {
      Table outer;
      outer.set("n", i % 2 ? FieldValue(table) : FieldValue(FieldArray{FieldValue(1), FieldValue(true)}));
      if (i % 2 == 0) outer.set("t", table);
      table = outer;
    }
    return encode_table(table);
  };
  CHECK(check_table({nested(32)}));
  auto deeper = decode_table({nested(33)});
  REQUIRE(!deeper);
  CHECK(deeper.error().message == "field table: nested deeper than 32 levels");
  // Arrays count too, and a hostile million of them does not touch the stack.
  std::string arrays;
  for (std::uint32_t left = 1'000'000; left > 0; --left) {
    char head[5] = {'A'};
    store_big(head + 1, (left - 1) * 5);
    arrays.append(head, 5);
  }
  CHECK(!check_table({std::string("\1a", 2) + arrays}));
}

TEST_CASE("properties decode to what was encoded") {
  INFO("WHERRY_SEED=" << test::seed());
  Generator generate(test::seed());
  for (int round = 0; round < 2000; ++round) {
    Properties properties = generate.properties();
    std::string raw = encode_properties(properties);
    auto back = decode_properties(raw);
    REQUIRE(back);
    REQUIRE(*back == properties);
    REQUIRE(encode_properties(*back) == raw);
    for (std::size_t size = 0; size < raw.size(); ++size)
      REQUIRE(!view_properties(std::string_view(raw).substr(0, size)));
    REQUIRE(!view_properties(raw + "x"));
  }
}

TEST_CASE("property flags that name no property are refused") {
  CHECK(!view_properties(std::string_view("\0\1\0\0", 4)));
  CHECK(!view_properties(std::string_view("\0\2", 2)));
  CHECK(view_properties(std::string_view("\0\0", 2)));
  CHECK(!view_properties(""));
}

TEST_CASE("integers of different widths are equal, other types are not") {
  CHECK(FieldValue(std::int8_t{5}) == FieldValue(std::int64_t{5}));
  CHECK(FieldValue(std::uint32_t{4000000000u}) == FieldValue(std::int64_t{4000000000}));
  CHECK(!(FieldValue(std::int32_t{1}) == FieldValue(true)));
  CHECK(!(FieldValue(std::int32_t{1}) == FieldValue(1.0)));
  CHECK(FieldValue(1.5f) == FieldValue(1.5));
  CHECK(!(FieldValue("1") == FieldValue(1)));
  Table a;
  a.set("x", 1);
  a.set("y", "z");
  Table b;
  b.set("y", "z");
  b.set("x", std::int64_t{1});
  CHECK(a == b);
  b.set("x", 2);
  CHECK(!(a == b));
}

TEST_CASE("a table keeps a name that is written twice and finds the first") {
  Table table;
  table.entries().emplace_back("a", 1);
  table.entries().emplace_back("a", 2);
  auto back = decode_table({encode_table(table)});
  REQUIRE(back);
  CHECK(back->size() == 2);
  std::int64_t value = 0;
  CHECK(back->integer("a", value));
  CHECK(value == 1);
  CHECK(back->erase("a"));
  CHECK(back->empty());
}

TEST_CASE("values print on one line, secrets by their size") {
  Table table;
  table.set("x-max-length", 10);
  table.set("x-mode", "la\"zy\n");
  table.set("list", FieldArray{FieldValue(true), FieldValue(), FieldValue(ByteArray{"abc"})});
  CHECK(to_string(table) == R"({x-max-length: 10, x-mode: "la\"zy\x0a", list: [true, null, (3 bytes)]})");
  std::string raw = encode_table(table);
  CHECK(to_string(Method(QueueUnbind{.queue = "q", .exchange = "e", .routing_key = "k", .arguments = {}})) ==
        R"(queue.unbind{ticket: 0, queue: "q", exchange: "e", routing_key: "k", arguments: {}})");
  CHECK(to_string(Method(ConnectionSecureOk{{"hunter2"}})) == "connection.secure-ok{response: (7 bytes)}");
  CHECK(to_string(Method(TxSelectOk{})) == "tx.select-ok");
}

TEST_CASE("reply texts are cut to a short string") {
  CHECK(reply_text(ReplyCode::not_found, "no queue 'x' in vhost '/'") == "NOT_FOUND - no queue 'x' in vhost '/'");
  std::string cut = reply_text(ReplyCode::not_found, std::string(400, 'x'));
  CHECK(cut.size() == 255);
  CHECK(cut.ends_with("xxx..."));
  CHECK(!is_connection_error(ReplyCode::precondition_failed));
  CHECK(is_connection_error(ReplyCode::frame_error));
  CHECK(!AmqpError{ReplyCode::not_found, "", {}, false}.closes_connection());
  CHECK(AmqpError{ReplyCode::not_found, "", {}, true}.closes_connection());
}

#include "broker/control/json.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::broker;
using Catch::Matchers::Contains;

namespace {
std::string again(std::string_view text) {
  auto parsed = control::parse_object(text);
  return parsed ? control::to_json(*parsed) : "refused: " + parsed.error().message;
}
}  // namespace

TEST_CASE("JSON objects become tables, and the same text again") {
  for (const char* text : {R"({})", R"({"a":1,"b":-5,"c":"x","d":true,"e":null,"f":1.5})",
                           R"({"a":{"b":[1,"x",{"c":[]}]}})", R"({"max":9223372036854775807})"}) {
    CHECK(again(text) == text);
  }
  CHECK(again(" { \"b\" : 1 , \"a\" : \"\\u00e4\\n\" } ") == "{\"b\":1,\"a\":\"\xc3\xa4\\n\"}");
}

TEST_CASE("what is no JSON object, or a large one, is refused") {
  CHECK_THAT(again("{bad"), Contains("no JSON at byte"));
  CHECK_THAT(again(""), Contains("no JSON"));
  CHECK_THAT(again("[1]"), Contains("no JSON object"));
  CHECK_THAT(again("5"), Contains("no JSON object"));
  CHECK_THAT(again("{} {}"), Contains("no JSON"));
  CHECK_THAT(again(R"({"a":1,"a":2})"), Contains("'a' is there twice"));
  CHECK_THAT(again(R"({"a":18446744073709551615})"), Contains("a number is too large"));
  CHECK_THAT(again(R"({"a":)" + std::string(20, '[') + std::string(20, ']') + "}"), Contains("too many levels"));
  CHECK_THAT(again(R"({"a":")" + std::string(control::most_bytes, 'x') + "\"}"), Contains("more than"));
  std::string many = R"({"a":[0)";
  for (int i = 0; i < 40'000; ++i) many += ",0";
  CHECK_THAT(again(many + "]}"), Contains("too many values"));
  CHECK_THAT(again("{\"a\":\"\xff\"}"), Contains("no JSON"));
}

TEST_CASE("a name that is there twice is found in a large object too, also inside of another") {
  const auto object = [](int names, const std::string& last) {
    std::string text = "{";
    for (int i = 0; i < names; ++i) text += "\"" + std::to_string(i) + "\":" + std::to_string(i) + ",";
    return text + last + "}";
  };
  for (int names : {63, 64, 65, 200}) {
    CHECK(again(object(names, R"("x":1)")) == object(names, R"("x":1)"));
    CHECK_THAT(again(object(names, R"("7":1)")), Contains("'7' is there twice"));
    const std::string inner = object(names, R"("x":1)");
    CHECK(again(object(names, "\"x\":[" + inner + "," + inner + "]")) ==
          object(names, "\"x\":[" + inner + "," + inner + "]"));
  }
}

TEST_CASE("bytes that are no UTF-8 are written so that every reader can read them") {
  amqp::Table table;
  table.set("name", std::string("a\xff"));
  CHECK(control::to_json(table) == "{\"name\":\"a\xef\xbf\xbd\"}");
}

#include "base/json_writer.h"

#include <catch2/catch.hpp>

using namespace wherry;

TEST_CASE("JSON is written with commas where they belong, and its text escaped") {
  Json json;
  json.object().key("a").number(1).key("b").array().text("x\n\"\\\xff").flag(true).null().end();
  json.key("c").object().end().key("d").array().object().end().object().end().end().end();
  CHECK(json.str() == R"({"a":1,"b":["x\u000a\"\\)"
                      "\xef\xbf\xbd"
                      R"(",true,null],"c":{},"d":[{},{}]})");
}

TEST_CASE("bytes are written as base64") {
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
}

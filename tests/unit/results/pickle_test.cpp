#include "sdk/results/pickle.h"

#include <limits>

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::results;
using task::Value;

namespace {

std::string error_of(std::string_view bytes) {
  const auto read = decode_pickle(bytes);
  return read ? "read" : read.error().message;
}

// With its zeros.
template <std::size_t N>
std::string_view raw(const char (&text)[N]) {
  return {text, N - 1};
}

}  // namespace

TEST_CASE("plain data is pickled and read back", "[pickle]") {
  const Value all = Value::Map{{"none", nullptr},
                               {"flags", Value::Array{true, false}},
                               {"numbers", Value::Array{0, -1, 255, 65'536, std::numeric_limits<std::int32_t>::min(),
                                                        std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::min(),
                                                        std::numeric_limits<std::uint64_t>::max(), 0.5}},
                               {"text", "\u00fc"},
                               {"bytes", task::Bytes{std::string("\0\xff", 2)}},
                               {"empty", Value::Array{Value::Array{}, Value::Map{}, ""}}};
  const auto pickled = encode_pickle(all);
  REQUIRE(pickled);
  const auto read = decode_pickle(*pickled);
  INFO((read ? std::string() : read.error().message));
  REQUIRE(read);
  CHECK(*read == all);
}

TEST_CASE("what Python's pickle wrote is read, in each protocol", "[pickle]") {
  // pickle.dumps({"a": [1, 2.5, "x"], "t": (1, None), 3: b"y"}, protocol=4)
  CHECK(decode_pickle(raw("\x80\x04\x95/\0\0\0\0\0\0\0}\x94(\x8c\x01"
                          "a\x94]\x94(K\x01G@\x04\0\0\0\0\0\0\x8c\x01x\x94"
                          "e\x8c\x01t\x94K\x01N\x86\x94K\x03"
                          "C\x01y\x94u."))
            .value() ==
        Value(Value::Map{{"a", Value::Array{1, 2.5, "x"}}, {"t", Value::Array{1, nullptr}}, {"3", task::Bytes{"y"}}}));
  // shared = [1]; pickle.dumps([shared, shared], protocol=2)
  CHECK(decode_pickle(raw("\x80\x02]q\0(]q\x01K\x01"
                          "ah\x01"
                          "e."))
            .value() == Value(Value::Array{Value::Array{1}, Value::Array{1}}));
}

TEST_CASE("an object of Python's is refused and nothing is called", "[pickle]") {
  // os.system("true")
  CHECK(error_of(raw("\x80\x03"
                     "cposix\nsystem\nX\x04\0\0\0true\x85R."))
            .find("no plain data") != std::string::npos);
}

TEST_CASE("what is no pickle, or would become too much, is refused with its place", "[pickle]") {
  CHECK(error_of("") == "pickle: it ends too early (at byte 0)");
  CHECK(error_of(raw("\x80\x03]")) == "pickle: it ends too early (at byte 3)");
  CHECK(error_of(raw("\x80\x03.")).find("a value is missing") != std::string::npos);
  CHECK(error_of(raw("\x80\x03K\x01"
                     "K\x02"
                     "a."))
            .find("no container") != std::string::npos);
  CHECK(error_of(raw("\x80\x01N.")).find("protocol 1") != std::string::npos);
  CHECK(error_of(raw("\x80\x03X\xff\xff\xff\xffx.")).find("too early") != std::string::npos);
  // A list that holds itself.
  CHECK(error_of(raw("\x80\x02]q\0h\0a.")).find("deeper") != std::string::npos);
  // A list of two of a list of two of ... : 2^40 values.
  std::string doubling = "\x80\x02K\x01q";
  doubling += '\0';
  for (int i = 0; i < 40; ++i) doubling += std::string("(h\0h\0tq\0", 8);
  CHECK(error_of(doubling + ".").find("too large") != std::string::npos);
}

TEST_CASE("what cannot be a result anywhere is not pickled either", "[pickle]") {
  CHECK_FALSE(encode_pickle(std::numeric_limits<double>::quiet_NaN()));
  CHECK_FALSE(encode_pickle("\xff"));
  Value deep;
  for (std::size_t i = 0; i <= task::max_depth; ++i) deep = Value::Array{deep};
  CHECK_FALSE(encode_pickle(deep));
}

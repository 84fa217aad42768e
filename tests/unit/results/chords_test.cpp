#include "sdk/results/chords.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::results;
using task::Value;

namespace {

std::vector<task::ResultMeta> returned(std::initializer_list<const char*> ids) {
  std::vector<task::ResultMeta> all;
  for (const char* id : ids) {
    task::ResultMeta meta;
    meta.task_id = id;
    meta.result = std::string("result of ") + id;
    all.push_back(std::move(meta));
  }
  return all;
}

Value single(const char* id) {
  return Value::Array{Value::Array{id, Value()}, Value()};
}
Value several(const char* id, Value::Array members) {
  return Value::Array{Value::Array{id, Value()}, std::move(members)};
}

}  // namespace

TEST_CASE("Parts that nobody saved anything of are one list", "[chord]") {
  CHECK(*arranged(returned({"a", "b"}), {}) == Value::Array{"result of a", "result of b"});
}

TEST_CASE("What was saved of a header says which of its results are lists", "[chord]") {
  const Value tuple = several("g", {several("inner", {single("a"), several("deep", {single("b")})}), single("c")});
  CHECK(*arranged(returned({"c", "b", "a"}), tuple) ==
        Value::Array{Value::Array{"result of a", Value::Array{"result of b"}}, "result of c"});
}

TEST_CASE("Parts that were added stand behind those that were known", "[chord]") {
  CHECK(*arranged(returned({"x", "a", "y"}), several("g", {single("a")})) ==
        Value::Array{"result of a", "result of x", "result of y"});
}

TEST_CASE("What does not fit the parts is refused", "[chord]") {
  CHECK_FALSE(arranged(returned({"a"}), several("g", {single("b")})));
  CHECK_FALSE(arranged(returned({"a"}), Value("g")));
  CHECK_FALSE(arranged(returned({"a"}), Value(Value::Array{1, Value::Array{2}})));
  CHECK_FALSE(arranged(returned({"a"}), several("g", {Value(7)})));
}

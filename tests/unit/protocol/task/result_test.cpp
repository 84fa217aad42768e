#include "protocol/task/result.h"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::task;
using namespace std::chrono_literals;

namespace {

const WallTime finished{std::chrono::seconds(1'769'860'800)};

Result<ResultMeta, DecodeError> read_json(std::string_view body) {
  amqp::Properties properties;
  properties.content_type = "application/json";
  properties.content_encoding = "utf-8";
  return decode_result(properties, body);
}

}  // namespace

TEST_CASE("a success of Celery's worker is read") {
  auto meta = read_json(
      R"({"status": "SUCCESS", "result": 5, "traceback": null, "children": [[["child", null], null]],
          "date_done": "2026-01-31T12:00:00.500000", "task_id": "t", "parent_id": "p", "worker": "celery@host"})");
  REQUIRE(meta);
  ResultMeta expected;
  expected.task_id = "t";
  expected.status = "SUCCESS";
  expected.result = 5;
  // Added, not nested in braces: compilers do not agree on what a list of one list is.
  Value::Array children;
  children.push_back(Value::Array{Value::Array{"child", nullptr}, nullptr});
  expected.children = children;
  expected.date_done = finished + 500ms;
  expected.parent_id = "p";
  expected.extra = {{"worker", "celery@host"}};
  CHECK(*meta == expected);
}

TEST_CASE("a failure of Celery's worker is an exception") {
  auto meta = read_json(
      R"({"status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": ["bad", 7],
          "exc_module": "builtins"}, "traceback": "tb", "children": null,
          "date_done": "2026-11-21T03:16:53.805795", "task_id": "t"})");
  REQUIRE(meta);
  REQUIRE(meta->exception);
  CHECK(*meta->exception == TaskException{"ValueError", {"bad", 7}, "builtins"});
  CHECK(meta->exception->message() == "('bad', 7)");
  CHECK(meta->traceback == "tb");
  CHECK(meta->result.is_null());
}

TEST_CASE("a failure is never read as none, whatever its form") {
  auto text = read_json(R"({"status": "FAILURE", "task_id": "t", "result": {"exc_type": "E", "exc_message": "bad"}})");
  REQUIRE(text);
  CHECK(*text->exception == TaskException{"E", {"bad"}, ""});
  CHECK(text->exception->message() == "bad");
  auto bare = read_json(R"({"status": "REVOKED", "task_id": "t", "result": "terminated"})");
  REQUIRE(bare);
  CHECK(bare->exception->message() == "terminated");
  CHECK(read_json(R"({"status": "FAILURE", "task_id": "t"})")->exception);
}

TEST_CASE("results are written with the members Celery's clients read") {
  ResultMeta meta;
  meta.task_id = "t";
  meta.status = state::failure;
  meta.exception = TaskException{"ValueError", {"no such user"}, "builtins"};
  meta.traceback = "at line 1";
  meta.date_done = finished;
  meta.extra = {{"worker", "wherry@host"}, {"status", "SUCCESS"}};
  auto message = encode_result(meta, Serializer::json);
  REQUIRE(message);
  CHECK(message->body ==
        R"({"status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": ["no such user"], )"
        R"("exc_module": "builtins"}, "traceback": "at line 1", "children": null, )"
        R"("date_done": "2026-01-31T12:00:00+00:00", "task_id": "t", "worker": "wherry@host"})");
  CHECK(message->properties.correlation_id == "t");
  CHECK(message->properties.content_type == "application/json");
  CHECK(message->properties.delivery_mode == 1);
}

TEST_CASE("what is encoded is decoded to the same result") {
  std::vector<ResultMeta> metas(3);
  metas[0].status = state::success;
  metas[0].result = Value::Map{{"sum", 5}};
  metas[1].status = state::retry;
  metas[1].exception = TaskException{"TimeoutError", {}, "builtins"};
  metas[1].group_id = "g";
  metas[2].status = "PROGRESS";
  metas[2].result = Value::Map{{"done", 3}, {"of", 10}};
  for (ResultMeta& meta : metas) {
    meta.task_id = "t";
    for (Serializer serializer : {Serializer::json, Serializer::msgpack}) {
      auto message = encode_result(meta, serializer);
      REQUIRE(message);
      auto back = decode_result(message->properties, message->body);
      REQUIRE(back);
      CHECK(*back == meta);
    }
  }
}

TEST_CASE("what is no result says why") {
  CHECK(read_json("7").error().message == "not a result: expected a map, got integer 7");
  CHECK(read_json(R"({"status": "SUCCESS"})").error().message == "not a result: no task_id");
  CHECK(read_json(R"({"task_id": "t", "status": 3})").error().message ==
        "not a result: 'status': expected a string, got integer 3");
  CHECK(read_json("{").error().kind == DecodeError::Kind::undecodable);
}

TEST_CASE("states know whether they are the end and whether they carry an exception") {
  CHECK(state::is_ready("SUCCESS"));
  CHECK(state::is_ready("REVOKED"));
  CHECK_FALSE(state::is_ready("RETRY"));
  CHECK_FALSE(state::is_ready("PROGRESS"));
  CHECK(state::has_exception("RETRY"));
  CHECK_FALSE(state::has_exception("SUCCESS"));
}

TEST_CASE("The ids of children are found, those of groups by their members") {
  auto tuple = [](const char* id, Value members = {}) {
    return Value(Value::Array{Value::Array{id, nullptr}, std::move(members)});
  };
  const Value children = Value::Array{tuple("a"), tuple("group", Value::Array{tuple("b"), tuple("c")}), tuple("d"), 7};
  CHECK(child_ids(children) == std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(child_ids(nullptr).empty());
}

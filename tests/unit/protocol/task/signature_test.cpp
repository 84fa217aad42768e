#include "protocol/task/signature.h"

#include <catch2/catch.hpp>

#include "protocol/task/json.h"

using namespace wherry;
using namespace wherry::task;

TEST_CASE("A signature that Python wrote is read and written alike", "[signature]") {
  // What Celery 5.2.6 makes of add.s(4).set(queue="q", countdown=3)
  const std::string text =
      R"({"task": "tasks.add", "args": [4], "kwargs": {"b": 1}, "options": {"queue": "q", "countdown": 3}, )"
      R"("subtask_type": null, "immutable": true, "chord_size": null})";
  const Value value = *decode_json(text);
  const auto read = read_signature(value);
  REQUIRE(read);
  CHECK(read->task == "tasks.add");
  CHECK(read->args == Value::Array{4});
  CHECK(read->immutable);
  CHECK(read->kind() == Signature::Kind::task);
  CHECK(write_signature(*read) == value);
}

TEST_CASE("Workflows are made and taken apart", "[signature]") {
  const Signature a{.task = "a"}, b{.task = "b"}, c{.task = "c"};
  const Signature chain = make_chain({a, b});
  CHECK(chain.kind() == Signature::Kind::chain);
  CHECK(*members(chain) == std::vector{a, b});
  const Signature chord = make_chord(make_group({a, b}), c);
  CHECK(chord.kind() == Signature::Kind::chord);
  CHECK(*members(chord) == std::vector{a, b});
  CHECK(*body(chord) == c);
  const auto again = read_signature(write_signature(chord));
  REQUIRE(again);
  CHECK(*again == chord);
}

TEST_CASE("A chord's header may be a list, as Celery 5.2 writes it", "[signature]") {
  const Value value = *decode_json(
      R"({"task": "celery.chord", "args": [], "kwargs": {"kwargs": {}, "header": [{"task": "a"}, {"task": "b"}], )"
      R"("body": {"task": "c"}}, "options": {}, "subtask_type": "chord", "immutable": false})");
  const auto read = read_signature(value);
  REQUIRE(read);
  CHECK(members(*read)->size() == 2);
  CHECK(body(*read)->task == "c");
}

TEST_CASE("What is no signature is refused with its place", "[signature]") {
  auto refused = [](const char* text) { return read_signature(*decode_json(text)).error().message; };
  CHECK(refused("7") == "expected a signature, got integer 7");
  CHECK(refused("{}") == "a signature without 'task'");
  CHECK(refused(R"({"task": "a", "args": {}})") == "signature: 'args': expected an array, got an empty map");
  CHECK(refused(R"({"task": "a", "options": 1})") == "signature: 'options': expected a map, got integer 1");
  Signature chain{.task = "celery.chain", .subtask_type = "chain"};
  CHECK(members(chain).error().message == "a chain without 'tasks'");
  set(chain.kwargs, "tasks", Value::Array{Value::Map{{"task", "a"}}, 7});
  CHECK(members(chain).error().message == "tasks[1]: expected a signature, got integer 7");
  CHECK(body(Signature{.task = "celery.chord", .subtask_type = "chord"}).error().message == "a chord without 'body'");
}

TEST_CASE("Lists of signatures may be one, several or none", "[signature]") {
  CHECK(read_signatures(Value())->empty());
  CHECK(read_signatures(Value::Map{{"task", "a"}})->size() == 1);
  CHECK(read_signatures(Value::Array{Value::Map{{"task", "a"}}, Value::Map{{"task", "b"}}})->size() == 2);
}

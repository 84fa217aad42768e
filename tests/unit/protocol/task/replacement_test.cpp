#include "protocol/task/replacement.h"

#include <catch2/catch.hpp>

#include "protocol/task/plan.h"

using namespace wherry;
using namespace wherry::task;

namespace {

const WallTime replaced_at{std::chrono::seconds(1'769'860'800)};

Signature one(std::string name, Value::Array args = {}) {
  return {.task = std::move(name), .args = std::move(args)};
}

// A part of a chord, in the middle of a chain, with callbacks.
Task replaced_task() {
  Task task;
  task.id = "T";
  task.root_id = "R";
  task.group = "G";
  task.group_index = 7;
  task.embed.chord = write_signature(one("body"));
  task.embed.callbacks = Value::Array{write_signature(one("called"))};
  task.embed.errbacks = Value::Array{write_signature(one("failed"))};
  task.replaced_task_nesting = 2;
  return task;
}

Signature in_place(const Task& task, Signature by) {
  auto signature = in_place_of(task, std::move(by));
  INFO((signature ? "" : signature.error().message));
  REQUIRE(signature);
  return std::move(*signature);
}

std::vector<PlannedTask> sent_for(const Signature& signature) {
  auto plan = make_plan(signature, {}, replaced_at);
  INFO((plan ? "" : plan.error().message));
  REQUIRE(plan);
  return std::move(plan->tasks);
}

// What a task becomes whose results count for the chord.
void check_stands_there(const Value::Map& options) {
  CHECK(*find(options, "task_id") == Value("T"));
  CHECK(*find(options, "group_id") == Value("G"));
  CHECK(*find(options, "group_index") == Value(7));
  CHECK(find(options, "chord")->find("task") != nullptr);
}

}  // namespace

TEST_CASE("A task in another's place has its id, its callbacks and its place in the chord", "[replacement]") {
  const auto sent = sent_for(in_place(replaced_task(), one("add", {1, 2})));
  REQUIRE(sent.size() == 1);
  const Task& task = sent[0].task;
  CHECK(task.id == "T");
  CHECK(task.group == "G");
  CHECK(task.group_index == 7);
  CHECK(task.embed.chord == write_signature(one("body")));
  CHECK(task.embed.callbacks == replaced_task().embed.callbacks);
  CHECK(task.embed.errbacks == replaced_task().embed.errbacks);
  CHECK(task.replaced_task_nesting == 3);
}

TEST_CASE("Of a chain the last task stands there, and each of its tasks has the error callbacks", "[replacement]") {
  const auto sent = sent_for(in_place(replaced_task(), make_chain({one("a"), one("b")})));
  REQUIRE(sent.size() == 1);
  const Task& first = sent[0].task;
  CHECK(first.name == "a");
  CHECK(first.id != "T");
  CHECK(first.group.empty());
  CHECK(first.embed.chord.is_null());
  CHECK(first.embed.callbacks.is_null());
  CHECK(first.embed.errbacks == replaced_task().embed.errbacks);
  const Signature last = *read_signature(first.embed.chain.get<Value::Array>()->back());
  check_stands_there(last.options);
  CHECK(*find(last.options, "link") == replaced_task().embed.callbacks);
  CHECK(*find(last.options, "link_error") == replaced_task().embed.errbacks);
}

TEST_CASE("A group in a task's place is collected to one result", "[replacement]") {
  const Signature group = make_group({one("a"), one("b")});
  const std::vector<Signature> ways{group, make_chain({one("first"), group}),
                                    make_chain({one("a"), make_chain({group})}),
                                    make_chord(make_group({one("h")}), group)};
  for (const Signature& by : ways) {
    const Signature whole = in_place(replaced_task(), by);
    REQUIRE(whole.kind() == Signature::Kind::chain);
    const Signature last = members(whole)->back();
    CHECK(last.task == accumulate_task);
    CHECK(*find(last.options, "task_id") == Value("T"));
    CHECK(*find(last.kwargs, "index") == Value(0));
    CHECK(*count_parts(whole) == 1);
  }
}

TEST_CASE("A group of nothing in a task's place comes to nothing", "[replacement]") {
  const auto sent = sent_for(in_place(replaced_task(), make_group({})));
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].task.name == accumulate_task);
  CHECK(sent[0].task.id == "T");
  CHECK(sent[0].task.args == Value::Array{Value(Value::Array{})});
}

TEST_CASE("Of a chord the body stands in a task's place", "[replacement]") {
  const auto sent = sent_for(in_place(replaced_task(), make_chord(make_group({one("a"), one("b")}), one("sum"))));
  REQUIRE(sent.size() == 2);
  for (const PlannedTask& each : sent) {
    CHECK(each.task.group != "G");
    const Signature body = *read_signature(each.task.embed.chord);
    CHECK(body.task == "sum");
    check_stands_there(body.options);
  }
}

TEST_CASE("A task's id wins over one that its replacement has; ignored results stay ignored", "[replacement]") {
  Task task = replaced_task();
  task.ignore_result = true;
  Signature by = one("add");
  by.options = {{"task_id", "mine"}};
  const auto sent = sent_for(in_place(task, by));
  CHECK(sent[0].task.id == "T");
  CHECK(sent[0].task.ignore_result);
}

TEST_CASE("What cannot stand in a task's place is refused", "[replacement]") {
  const Task task = replaced_task();
  CHECK(in_place_of(task, make_chain({})).error().message == "Cannot replace with an empty chain");
  CHECK(in_place_of(task, make_chain({make_chain({})})).error().message == "Cannot replace with an empty chain");
  CHECK(beside(task, make_group({}), 0).error().message == "Cannot add to a chord an empty group");
  Signature part = one("add");
  part.options = {{"chord", write_signature(one("other"))}};
  CHECK(in_place_of(task, part).error().message == "Cannot replace with a part of another chord");
}

TEST_CASE("A part that is added to a chord has the same id whenever it is added", "[replacement]") {
  const Task task = replaced_task();
  const auto id_of = [&](const Signature& part, std::size_t number) {
    return *find(beside(task, part, number)->options, "task_id");
  };
  CHECK(id_of(one("add"), 0) == id_of(one("add"), 0));
  CHECK_FALSE(id_of(one("add"), 0) == id_of(one("add"), 1));
  const auto sent = sent_for(*beside(task, one("add", {1}), 0));
  CHECK(sent[0].task.group == "G");
  CHECK(sent[0].task.group_index == 7);
  CHECK(sent[0].task.embed.chord == task.embed.chord);
  // Callbacks are the task's own.
  CHECK(sent[0].task.embed.callbacks.is_null());
}

TEST_CASE("All tasks of a group that is added to a chord are parts of it", "[replacement]") {
  const auto added = beside(replaced_task(), make_group({one("a"), one("b")}), 0);
  REQUIRE(added);
  CHECK(*count_parts(*added) == 2);
  const auto sent = sent_for(*added);
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].task.id != sent[1].task.id);
  for (const PlannedTask& each : sent) {
    CHECK(each.task.group == "G");
    CHECK(each.task.embed.chord == replaced_task().embed.chord);
  }
  CHECK(make_plan(*added, {}, replaced_at)->chords.empty());
}

#include "protocol/task/plan.h"

#include <set>

#include <catch2/catch.hpp>

#include "protocol/task/types.h"

using namespace wherry;
using namespace wherry::task;
using namespace std::chrono_literals;

namespace {

const WallTime plan_time{std::chrono::seconds(1'769'860'800)};

Signature sig(std::string name, Value::Array args = {}, Value::Map options = {}) {
  return {.task = std::move(name), .args = std::move(args), .options = std::move(options)};
}
Signature si(std::string name, Value::Array args = {}) {
  Signature fixed = sig(std::move(name), std::move(args));
  fixed.immutable = true;
  return fixed;
}

Plan plan_of(const Signature& signature, const Start& start = {}) {
  auto plan = make_plan(signature, start, plan_time);
  INFO((plan ? "" : plan.error().message));
  REQUIRE(plan);
  return std::move(*plan);
}

// What another worker makes of the next link of a chain.
Plan next_of(const Task& task, Value::Array args) {
  auto chain = *task.embed.chain.get<Value::Array>();
  const Signature next = *read_signature(chain.back());
  chain.pop_back();
  return plan_of(next, {.args = std::move(args), .root_id = task.root_id, .parent_id = task.id, .chain = chain});
}

std::vector<std::string> planned_names(const Plan& plan) {
  std::vector<std::string> all;
  for (const auto& each : plan.tasks) all.push_back(each.task.name);
  return all;
}
std::string first_id(const Value& result) {
  return *(*(*result.get<Value::Array>())[0].get<Value::Array>())[0].get<std::string>();
}
const Value::Array& results_in(const Value& result) {
  return *(*result.get<Value::Array>())[1].get<Value::Array>();
}

}  // namespace

TEST_CASE("A task goes with its arguments before its own, and its options", "[plan]") {
  Signature add = sig("add", {4},
                      {{"queue", "q"},
                       {"countdown", 2.5},
                       {"expires", 60},
                       {"priority", 3},
                       {"time_limit", 30},
                       {"soft_time_limit", 20},
                       {"reply_to", "r"},
                       {"shadow", "plus"},
                       {"headers", Value::Map{{"x", 1}}},
                       {"serializer", "msgpack"},
                       {"compression", "gzip"},
                       {"ignore_result", true}});
  const Plan plan = plan_of(add, {.args = {3}, .root_id = "root", .parent_id = "parent"});
  REQUIRE(plan.tasks.size() == 1);
  const PlannedTask& sent = plan.tasks[0];
  CHECK(sent.task.args == Value::Array{3, 4});
  CHECK(sent.task.eta == plan_time + 2500ms);
  CHECK(sent.task.expires == plan_time + 60s);
  CHECK(sent.task.time_limit == 30s);
  CHECK(sent.task.soft_time_limit == 20s);
  CHECK(sent.task.priority == 3);
  CHECK(sent.task.reply_to == "r");
  CHECK(sent.task.shadow == "plus");
  CHECK(sent.task.headers.find("x") != nullptr);
  CHECK(sent.task.serializer == Serializer::msgpack);
  CHECK(sent.task.compression == Compression::zlib);
  CHECK(sent.task.ignore_result);
  CHECK(sent.task.root_id == "root");
  CHECK(sent.task.parent_id == "parent");
  CHECK(sent.queue == "q");
  CHECK(sent.task.id == first_id(plan.result));
  CHECK(plan.sent == Value::Array{plan.result});
}

TEST_CASE("An immutable task takes no result", "[plan]") {
  CHECK(plan_of(si("add", {4, 5}), {.args = {3}}).tasks[0].task.args == Value::Array{4, 5});
}

TEST_CASE("A chain's first task carries the rest, last link first", "[plan]") {
  const Plan plan = plan_of(make_chain({sig("a", {1}), sig("b", {2}), sig("c", {3})}), {.args = {0}, .reply_to = "me"});
  REQUIRE(planned_names(plan) == std::vector<std::string>{"a"});
  const Task& a = plan.tasks[0].task;
  CHECK(a.args == Value::Array{0, 1});
  CHECK(a.reply_to == "me");
  const auto& rest = *a.embed.chain.get<Value::Array>();
  REQUIRE(rest.size() == 2);
  CHECK(*rest[0].find("task") == Value("c"));
  CHECK(*rest[1].find("task") == Value("b"));
  // Known from the beginning: the ids of all, and where their results go.
  CHECK(*rest[0].find("options")->find("task_id") == Value(first_id(plan.result)));
  CHECK(*rest[0].find("options")->find("reply_to") == Value("me"));

  const Plan second = next_of(a, {"result of a"});
  REQUIRE(planned_names(second) == std::vector<std::string>{"b"});
  const Task& b = second.tasks[0].task;
  CHECK(b.args == Value::Array{"result of a", 2});
  CHECK(b.parent_id == a.id);
  const Plan third = next_of(b, {"result of b"});
  CHECK(third.tasks[0].task.id == first_id(plan.result));
  CHECK(third.tasks[0].task.embed.chain.is_null());
}

TEST_CASE("Chains in a chain are one, and their error callbacks are their tasks'", "[plan]") {
  Signature inner = make_chain({sig("b"), sig("c")});
  inner.options = {{"link_error", Value::Array{write_signature(sig("broken"))}}};
  const Plan plan = plan_of(make_chain({sig("a"), inner, sig("d")}));
  CHECK(plan.tasks[0].task.embed.errbacks.is_null());
  const auto& rest = *plan.tasks[0].task.embed.chain.get<Value::Array>();
  REQUIRE(rest.size() == 3);
  CHECK(rest[2].find("options")->find("link_error") != nullptr);
  CHECK(rest[1].find("options")->find("link_error") != nullptr);
  CHECK(rest[0].find("options")->find("link_error") == nullptr);
}

TEST_CASE("What a chain is told of its group and callbacks holds for its last task", "[plan]") {
  Signature chain = make_chain({sig("a"), sig("b")});
  chain.options = {{"link", Value::Array{write_signature(sig("after"))}}, {"task_id", "the-last"}};
  const Plan plan = plan_of(chain);
  CHECK(first_id(plan.result) == "the-last");
  CHECK(plan.tasks[0].task.embed.callbacks.is_null());
  const Plan second = next_of(plan.tasks[0].task, {});
  CHECK(second.tasks[0].task.id == "the-last");
  CHECK(second.tasks[0].task.embed.callbacks.get<Value::Array>()->size() == 1);
}

TEST_CASE("An empty task_id is none, and one that is no text is refused", "[plan]") {
  for (Signature (*make)(const std::vector<Signature>&) : {&make_chain, &make_group}) {
    Signature a = sig("a");
    a.options = {{"task_id", ""}};
    Signature whole = make({a});
    whole.options = {{"task_id", ""}};
    CHECK(plan_of(whole).tasks[0].task.id.size() == 36);
  }
  Signature odd = sig("a");
  odd.options = {{"task_id", 5}};
  const auto plan = make_plan(odd, {}, {});
  REQUIRE(!plan);
  CHECK(plan.error().message.find("task_id") != std::string::npos);
}

TEST_CASE("A group's tasks all go, each with its place", "[plan]") {
  const Plan plan = plan_of(make_group({sig("a"), make_group({sig("b"), sig("c")})}), {.args = {1}});
  REQUIRE(planned_names(plan) == std::vector<std::string>{"a", "b", "c"});
  const std::string group = first_id(plan.result);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(plan.tasks[i].task.group == group);
    CHECK(plan.tasks[i].task.group_index == static_cast<std::int64_t>(i));
    CHECK(plan.tasks[i].task.args == Value::Array{1});
    CHECK(first_id(results_in(plan.result)[i]) == plan.tasks[i].task.id);
  }
  CHECK(plan.chords.empty());
}

TEST_CASE("A chord's tasks carry its body, and their number is known", "[plan]") {
  const Plan plan = plan_of(make_chord(make_group({sig("a"), make_chain({sig("b"), sig("c")})}), sig("sum")),
                            {.parent_id = "before", .reply_to = "me"});
  REQUIRE(planned_names(plan) == std::vector<std::string>{"a", "b"});
  REQUIRE(plan.chords.size() == 1);
  CHECK(plan.chords[0].parts == 2);
  const Task& a = plan.tasks[0].task;
  CHECK(a.group == plan.chords[0].group_id);
  CHECK(*a.embed.chord.find("task") == Value("sum"));
  CHECK(*a.embed.chord.find("options")->find("task_id") == Value(first_id(plan.result)));
  CHECK(*a.embed.chord.find("options")->find("reply_to") == Value("me"));
  // A chain counts when its last task has ended.
  const Task& b = plan.tasks[1].task;
  CHECK(b.embed.chord.is_null());
  CHECK(b.group.empty());
  const Plan second = next_of(b, {});
  CHECK(second.tasks[0].task.group == a.group);
  CHECK(second.tasks[0].task.group_index == 1);
  CHECK(*second.tasks[0].task.embed.chord.find("task") == Value("sum"));
  // What was sent is the header; what is waited for is the body.
  CHECK(first_id(plan.sent[0]) == a.group);
  CHECK(results_in(plan.sent[0]).size() == 2);
}

TEST_CASE("A group that something follows in a chain is a header", "[plan]") {
  const Plan plan = plan_of(make_chain({make_group({sig("a"), sig("b")}), sig("sum"), sig("print")}));
  REQUIRE(planned_names(plan) == std::vector<std::string>{"a", "b"});
  REQUIRE(plan.chords.size() == 1);
  const auto body = read_signature(plan.tasks[0].task.embed.chord);
  REQUIRE(body);
  CHECK(body->task == "sum");
  CHECK(plan.tasks[0].task.embed.chain.is_null());
  // The body goes on with the chain.
  const Plan then = plan_of(*body, {.args = {Value::Array{1, 2}}});
  CHECK(then.tasks[0].task.args == Value::Array{Value::Array{1, 2}});
  const Plan last = next_of(then.tasks[0].task, {3});
  CHECK(last.tasks[0].task.name == "print");
  CHECK(last.tasks[0].task.id == first_id(plan.result));
}

TEST_CASE("A group in the middle of a chain waits for its turn", "[plan]") {
  const Plan plan = plan_of(make_chain({sig("a"), make_group({sig("b"), sig("c")}), sig("sum")}));
  REQUIRE(planned_names(plan) == std::vector<std::string>{"a"});
  CHECK(plan.chords.empty());
  const Plan second = next_of(plan.tasks[0].task, {5});
  REQUIRE(planned_names(second) == std::vector<std::string>{"b", "c"});
  CHECK(second.tasks[1].task.args == Value::Array{5});
  REQUIRE(second.chords.size() == 1);
  CHECK(*second.tasks[1].task.embed.chord.find("options")->find("task_id") == Value(first_id(plan.result)));
}

TEST_CASE("A group at the end of a chain goes when its turn comes", "[plan]") {
  const Plan plan = plan_of(make_chain({sig("a"), make_group({sig("b"), sig("c")})}));
  const Plan second = next_of(plan.tasks[0].task, {5});
  REQUIRE(planned_names(second) == std::vector<std::string>{"b", "c"});
  CHECK(first_id(plan.result) == second.tasks[0].task.group);
  CHECK(results_in(plan.result).size() == 2);
  CHECK(first_id(results_in(plan.result)[1]) == second.tasks[1].task.id);
}

TEST_CASE("A chord that is part of another counts when its body has ended", "[plan]") {
  const Signature inner = make_chord(make_group({sig("a"), sig("b")}), sig("inner"));
  const Plan plan = plan_of(make_chord(make_group({inner, sig("c")}), sig("outer")));
  REQUIRE(planned_names(plan) == std::vector<std::string>{"a", "b", "c"});
  REQUIRE(plan.chords.size() == 2);
  const Task& a = plan.tasks[0].task;
  const Task& c = plan.tasks[2].task;
  CHECK(a.group != c.group);
  const Plan body = plan_of(*read_signature(a.embed.chord), {.args = {1}});
  CHECK(body.tasks[0].task.name == "inner");
  CHECK(body.tasks[0].task.group == c.group);
  CHECK(body.tasks[0].task.group_index == 0);
  CHECK(*body.tasks[0].task.embed.chord.find("task") == Value("outer"));
  for (const auto& each : plan.chords) CHECK(each.parts == 2);
}

TEST_CASE("How the results of a header are put together is known where parts come to lists", "[plan]") {
  const Signature inner = make_group({sig("b"), sig("c")});
  const Plan plan = plan_of(make_chord(make_group({make_chain({sig("a"), inner}), sig("d")}), sig("sum")));
  REQUIRE(plan.chords.size() == 1);
  CHECK(plan.chords[0].parts == 3);
  CHECK(first_id(plan.chords[0].tuple) == plan.chords[0].group_id);
  const Value::Array& parts = results_in(plan.chords[0].tuple);
  REQUIRE(parts.size() == 2);
  CHECK(results_in(parts[0]).size() == 2);
  CHECK(first_id(parts[1]) == plan.tasks[1].task.id);
  // What the workers of the inner group send has the ids that are in there.
  const Plan second = next_of(plan.tasks[0].task, {5});
  CHECK(first_id(results_in(parts[0])[0]) == second.tasks[0].task.id);
  CHECK(plan_of(make_chord(make_group({sig("a"), make_chain({sig("b"), sig("c")})}), sig("sum"))).chords[0].tuple ==
        Value());
}

TEST_CASE("A chord without parts calls its body at once", "[plan]") {
  const Plan plan = plan_of(make_chord(make_group({}), sig("sum")));
  REQUIRE(planned_names(plan) == std::vector<std::string>{"sum"});
  REQUIRE(plan.tasks[0].task.args.size() == 1);
  CHECK(plan.tasks[0].task.args[0] == Value(Value::Array{}));
  CHECK(plan.chords.empty());
}

TEST_CASE("Stamps go along, the task's own before those it inherits", "[plan]") {
  const Signature stamped =
      sig("a", {}, {{"stamped_headers", Value::Array{"tenant"}}, {"tenant", "acme"}, {"other", "no stamp"}});
  const Plan plan = plan_of(stamped, {.stamped_headers = Value::Array{"tenant", "order"},
                                      .stamps = {{"tenant", Value::Array{"x"}}, {"order", Value::Array{7}}}});
  const Task& task = plan.tasks[0].task;
  CHECK(task.stamped_headers == Value(Value::Array{"tenant", "order"}));
  CHECK(*find(task.stamps, "tenant") == Value(Value::Array{"acme"}));
  CHECK(*find(task.stamps, "order") == Value(Value::Array{7}));
  CHECK(find(task.stamps, "other") == nullptr);
}

TEST_CASE("Every single task is asked for its place, also those that go later", "[plan]") {
  std::multiset<std::string> asked;
  Start start;
  start.place = [&](Signature& each) {
    asked.insert(each.task);
    set(each.options, "queue", "of " + each.task);
  };
  Signature b = sig("b", {}, {{"link", Value::Array{write_signature(sig("linked"))}}});
  const Plan plan = plan_of(make_chain({sig("a"), make_group({b, sig("c")}), sig("sum")}), start);
  CHECK(asked == std::multiset<std::string>{"a", "b", "c", "linked", "sum"});
  CHECK(plan.tasks[0].queue == "of a");
  const Plan second = next_of(plan.tasks[0].task, {});
  CHECK(second.tasks[1].queue == "of c");
}

TEST_CASE("Ten thousand parts are planned, and a chain as long", "[plan]") {
  std::vector<Signature> many(10'000, sig("part"));
  const Plan chord = plan_of(make_chord(make_group(many), sig("sum")));
  CHECK(chord.tasks.size() == 10'000);
  CHECK(chord.chords[0].parts == 10'000);
  CHECK(chord.tasks[9'999].task.group_index == 9'999);
  CHECK(plan_of(make_chain(many)).tasks[0].task.embed.chain.get<Value::Array>()->size() == 9'999);
}

TEST_CASE("What cannot be sent is told with its task", "[plan]") {
  auto refused = [](const Signature& signature) {
    auto plan = make_plan(signature, {}, plan_time);
    REQUIRE_FALSE(plan);
    return plan.error().message;
  };
  CHECK(refused(make_chain({})) == "an empty chain");
  CHECK(refused(sig("a", {}, {{"countdown", "soon"}})) ==
        "task 'a': option 'countdown': expected a number, got string \"soon\"");
  CHECK(refused(sig("a", {}, {{"serializer", "pickle"}})) ==
        "task 'a': option 'serializer': \"pickle\" is not supported");
  CHECK(refused(sig("a", {}, {{"priority", 300}})) == "task 'a': option 'priority': 300 does not fit (0 to 255)");
}

// Workflows by their types: what fits, what does not, and the signatures that come of it.
#include "wherry/canvas.h"

#include <map>

#include <catch2/catch.hpp>

#include "protocol/task/json.h"
#include "sdk/client/workflow.h"
#include "wherry/client.h"

using namespace wherry;
using namespace std::chrono_literals;

namespace {

constexpr Function<int(int, int)> add{"math.add"};
constexpr Function<double(std::vector<int>)> mean{"math.mean"};
constexpr Function<std::string(double, std::string)> format{"text.format"};
constexpr Function<void(std::string)> print{"text.print"};
constexpr Function<int()> dice{"math.dice"};
constexpr Function<void(std::string)> alarm_operator{"ops.alarm"};

struct Resize {
  static constexpr auto task_name = "image.resize";
  using Result = std::string;
  std::string path = {};
  int width = 0;
};

// By concept: what the static_assert of | asks.
template <class First, class Then>
constexpr bool follows = canvas::takes<typename Then::Input, typename First::Result>;

using Sum = decltype(sig(add, 1, 2));
using AddTo = decltype(sig(add, 1));

static_assert(std::same_as<Sum, Sig<int, canvas::Nothing>>);
static_assert(std::same_as<AddTo, Sig<int, int>>);
static_assert(follows<Sum, AddTo>);
static_assert(!follows<Sum, Sum>);                                          // It has all arguments already.
static_assert(follows<Sum, decltype(sig(add, 1, 2).ignoring())>);           // But it may say that it takes none.
static_assert(!follows<Sum, decltype(sig(print))>);                         // An int is no string.
static_assert(follows<Sum, decltype(sig(format, std::string()))>);          // An integer may become a double,
static_assert(!follows<decltype(sig(format, 1.0, std::string())), AddTo>);  // but a string no integer.
static_assert(!canvas::fits<double, int> && canvas::fits<int, double> && !canvas::fits<bool, int>);
static_assert(canvas::fits<int, std::optional<long>> && !canvas::fits<std::optional<int>, int>);
static_assert(canvas::fits<std::tuple<int, int>, std::vector<int>> && !canvas::fits<std::vector<int>, std::tuple<int>>);
static_assert(!canvas::fits<std::tuple<int, std::string>, std::vector<int>>);
static_assert(canvas::fits<std::map<std::string, int>, std::map<std::string, double>>);
static_assert(canvas::fits<void, std::optional<int>> && !canvas::fits<void, int>);
static_assert(canvas::fits<task::Value, int> && canvas::fits<int, task::Value>);
static_assert(std::same_as<decltype(fed(Resize{}))::Input, std::string>);
static_assert(std::same_as<decltype(sig(add, 1, 2) | sig(add, 3)), Sig<int, canvas::Nothing>>);
static_assert(std::same_as<decltype(sig(add, 1) | sig(add, 3)), Sig<int, int>>);
static_assert(std::same_as<decltype(group(sig(add, 1), sig(format, std::string()).ignoring())),
                           Group<std::tuple<int, std::string>, int>>);
static_assert(std::same_as<decltype(group(sig(add, 1, 2), sig(add, 3, 4)) | sig(mean)), Sig<double, canvas::Nothing>>);
static_assert(std::same_as<decltype(map(print, {})), Sig<std::vector<std::monostate>, canvas::Nothing>>);
static_assert(Workflow<Sum> && Workflow<decltype(group(sig(dice)))>);

std::string json(const task::Signature& signature) {
  return *task::encode_json(task::write_signature(signature));
}

}  // namespace

TEST_CASE("A signature is what Celery writes", "[canvas]") {
  CHECK(
      json(sig(add, 1, 2).signature()) ==
      R"({"task": "math.add", "args": [1, 2], "kwargs": {}, "options": {}, "subtask_type": null, "immutable": false})");
  CHECK(sig(add, 7).signature().args == task::Value::Array{7});
  CHECK(sig(add, 7).ignoring().signature().immutable);
  CHECK(sig(Resize{"a.png", 100}).signature().kwargs == task::Value::Map{{"path", "a.png"}, {"width", 100}});
  CHECK(fed(Resize{.width = 100}).signature().kwargs == task::Value::Map{{"width", 100}});
  CHECK(sig(add(1, 2)).signature().args == task::Value::Array{1, 2});
  CHECK(named<int, int>("tasks.add", args(3)).signature().task == "tasks.add");
}

TEST_CASE("Arguments have the types of the task's parameters", "[canvas]") {
  // A double, although an int is given: Python would tell the difference.
  CHECK(sig(format, 2, "x").signature().args == task::Value::Array{2.0, "x"});
}

TEST_CASE("Options of a signature have Celery's names", "[canvas]") {
  const auto with = sig(add, 1, 2).with(
      {.countdown = 1500ms, .queue = "sums", .priority = 5, .soft_time_limit = 20s, .ignore_result = true});
  CHECK(with.signature().options ==
        task::Value::Map{
            {"countdown", 1.5}, {"queue", "sums"}, {"priority", 5}, {"soft_time_limit", 20}, {"ignore_result", true}});
  CHECK_THROWS_WITH(sig(add, 1, 2).with({.timeout = 1s}), Catch::Contains("timeout"));
  CHECK_THROWS_WITH(sig(add, 1, 2).with({.expires = -1s}), Catch::Contains("expires"));
}

TEST_CASE("Chains are flat, and callbacks are linked where they belong", "[canvas]") {
  const auto all = (sig(add, 1, 2) | sig(add, 3)) | (sig(add, 4) | sig(format, "%f"));
  const auto steps = *task::members(all.signature());
  REQUIRE(steps.size() == 4);
  CHECK(steps[3].task == "text.format");
  const auto linked = chain(sig(add, 1, 2), sig(format, "%f")).on_success(sig(print)).on_error(sig(alarm_operator));
  const auto parts = *task::members(linked.signature());
  CHECK(task::find(parts[0].options, "link") == nullptr);
  CHECK(task::find(parts[1].options, "link") != nullptr);
  for (const auto& each : parts) CHECK(task::find(each.options, "link_error") != nullptr);
}

TEST_CASE("After a task that returns nothing the next one takes nothing", "[canvas]") {
  const auto both = sig(print, "hello") | sig(add, 1, 2);
  CHECK((*task::members(both.signature()))[1].immutable);
}

TEST_CASE("Groups, chords, maps and chunks are made as Celery makes them", "[canvas]") {
  const auto both = group(sig(add, 1, 2), sig(add, 3, 4));
  CHECK(both.signature().kind() == task::Signature::Kind::group);
  CHECK(task::members(both.signature())->size() == 2);
  // The planner, here or in a worker, makes it a chord.
  const auto summed = both | sig(mean);
  const auto plan = task::make_plan(summed.signature(), {}, {});
  REQUIRE(plan);
  CHECK(plan->tasks.size() == 2);
  CHECK(*plan->tasks[0].task.embed.chord.find("task") == task::Value("math.mean"));

  const auto mapped = map(print, {"a", "b"}).signature();
  CHECK(mapped.task == "celery.map");
  CHECK(*task::find(mapped.kwargs, "it") == task::Value(task::Value::Array{"a", "b"}));
  CHECK(mapped.immutable);
  const auto spread = starmap(add, {{1, 2}, {3, 4}}).signature();
  CHECK(spread.task == "celery.starmap");
  const auto rows = map(std::vector<Resize>{{"a", 1}, {"b", 2}}).signature();
  CHECK(rows.task == "celery.starmap");
  CHECK(*task::find(rows.kwargs, "it") ==
        task::Value(task::Value::Array{task::Value::Array{"a", 1}, task::Value::Array{"b", 2}}));
  const auto parts = *task::members(chunks(add, {{1, 2}, {3, 4}, {5, 6}}, 2).signature());
  REQUIRE(parts.size() == 2);
  CHECK(task::find(parts[1].kwargs, "it")->get<task::Value::Array>()->size() == 1);
  CHECK_THROWS_AS(chunks(add, {{1, 2}}, 0), ClientError);
}

TEST_CASE("The sender decides where all tasks of a workflow go", "[canvas]") {
  sdk::Router router("default", [](std::string_view name) -> std::optional<sdk::Route> {
    if (name != "math.mean") return std::nullopt;
    sdk::Route route;
    route.queue = "heavy";
    route.priority = 3;
    return route;
  });
  const auto work = sig(add, 1, 2).with({.queue = "own"}) | group(sig(add, 3), sig(add, 4)) | sig(mean);
  auto queue_of = [](const task::Value& signature) { return *signature.find("options")->find("queue"); };
  auto chain_of = [](const sdk::Outgoing& out) {
    auto read = task::decode(out.message.properties, out.message.body);
    REQUIRE(read);
    return *read->embed.chain.get<task::Value::Array>();
  };
  {
    const auto out = sdk::encode_workflow(work.signature(), {.task_id = "the-end"}, router, {.reply_to = "me"}, {});
    REQUIRE(out.messages.size() == 1);
    CHECK(out.messages[0].queue == "own");
    CHECK(out.job_ids == std::vector<std::string>{"the-end"});
    const auto rest = chain_of(out.messages[0]);
    REQUIRE(rest.size() == 1);
    CHECK(queue_of(*rest[0].find("kwargs")->find("body")) == task::Value("heavy"));
    const auto& header = *rest[0].find("kwargs")->find("header")->find("kwargs")->find("tasks");
    CHECK(queue_of((*header.get<task::Value::Array>())[0]) == task::Value("default"));
  }
  {
    const auto out = sdk::encode_workflow(work.signature(), {.queue = "given"}, router, {.reply_to = "me"}, {});
    CHECK(out.messages[0].queue == "own");
    CHECK(queue_of(*chain_of(out.messages[0])[0].find("kwargs")->find("body")) == task::Value("given"));
  }
}

TEST_CASE("What a workflow cannot be sent with is refused by its name", "[canvas]") {
  const sdk::Router router("celery");
  auto encode = [&](const EnqueueOptions& options) {
    return sdk::encode_workflow((sig(add, 1, 2) | sig(add, 3)).signature(), options, router, {}, {});
  };
  CHECK_THROWS_WITH(encode({.deduplication_key = "k"}), Catch::Contains("deduplication_key"));
  CHECK_THROWS_WITH(encode({.countdown = -1s}), Catch::Contains("countdown"));
}

// What a worker does with what a message says comes after it. The messages are made as any producer makes them.
#include <atomic>

#include <catch2/catch.hpp>

#include "protocol/task/envelope.h"
#include "protocol/task/plan.h"
#include "protocol/task/result.h"
#include "tests/unit/worker/bench.h"

using namespace wherry;
using namespace wherry::worker::test;

namespace {

task::Signature step(std::string name, task::Value::Array args = {}, task::Value::Map options = {}) {
  task::set(options, "queue", "q");
  return {.task = std::move(name), .args = std::move(args), .options = std::move(options)};
}

task::Value one_of(const task::Signature& signature) {
  return task::Value::Array{task::write_signature(signature)};
}

// Begins a workflow as a producer does, with all results to the queue "answers".
std::string begin(Peer& peer, const task::Signature& signature, task::Start start = {}) {
  start.reply_to = "answers";
  const auto now = std::chrono::system_clock::now();
  auto plan = task::make_plan(signature, start, now);
  REQUIRE(plan);
  for (const auto& each : plan->tasks) {
    auto message = task::encode(each.task, now);
    REQUIRE(message);
    peer.publish({.routing_key = "q", .properties = message->properties, .body = message->body});
  }
  return plan->tasks.front().task.id;
}

task::ResultMeta next_answer(Peer& peer) {
  const auto answer = peer.next();
  auto meta = task::decode_result(answer.properties, answer.body);
  REQUIRE(meta);
  return std::move(*meta);
}

void define_steps(Registry& tasks) {
  tasks.on("add", [](int a, int b) { return a + b; });
  tasks.on("double", [](int a) { return 2 * a; });
  tasks.on("fail", [](std::optional<int>) -> int { throw Dead{"on purpose"}; });
  tasks.on("say", [](const std::string& text) { return text; });
}

}  // namespace

TEST_CASE("A chain goes on with each result, through its last", "[workflow]") {
  TestBroker broker(2);
  Running worker(broker.url(), {.queues = {"q"}}, define_steps);
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "answers"});
  peer.consume("answers");
  const std::string first = begin(peer, task::make_chain({step("add", {1, 2}), step("add", {10}), step("double")}));
  const auto a = next_answer(peer), b = next_answer(peer), c = next_answer(peer);
  CHECK(a.task_id == first);
  CHECK(a.result == task::Value(3));
  CHECK(b.result == task::Value(13));
  CHECK(c.result == task::Value(26));
  // Each names the one that it sent.
  const task::Value child(task::Value::Array{task::Value::Array{b.task_id, nullptr}, nullptr});
  CHECK(a.children == task::Value(task::Value::Array{child}));
  CHECK(c.children.is_null());
}

TEST_CASE("What follows a task belongs to its trace", "[workflow]") {
  TestBroker broker;
  Running worker(broker.url(), {.queues = {"q"}}, [](Registry& tasks) {
    tasks.on("trace", [](std::optional<std::string>, Context& context) { return context.trace().traceparent; });
  });
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "answers"});
  peer.consume("answers");
  const char* traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const task::Value::Map headers{{"headers", task::Value::Map{{"traceparent", traceparent}}}};
  begin(peer, task::make_chain({step("trace", {nullptr}, headers), step("trace")}));
  CHECK(next_answer(peer).result == task::Value(traceparent));
  CHECK(next_answer(peer).result == task::Value(traceparent));
}

TEST_CASE("Callbacks get the result, and know their parent, root and stamps", "[workflow]") {
  TestBroker broker;
  Running worker(broker.url(), {.queues = {"q"}}, define_steps);
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "elsewhere"});
  peer.consume("elsewhere");
  task::Value::Map to_us{{"queue", "elsewhere"}};
  task::Signature callback{.task = "python.callback", .args = {"own"}, .options = to_us};
  task::Signature fixed = callback;
  fixed.immutable = true;
  task::Signature root = step("add", {1, 2});
  root.options.emplace_back("link", task::write_signatures({callback, fixed}));
  root.options.emplace_back("root_id", "the-root");
  const std::string id =
      begin(peer, root,
            {.stamped_headers = task::Value::Array{"tenant"}, .stamps = {{"tenant", task::Value::Array{"acme"}}}});
  const auto first = peer.next(), second = peer.next();
  const auto one = task::decode(first.properties, first.body), two = task::decode(second.properties, second.body);
  REQUIRE((one && two));
  CHECK(one->args == task::Value::Array{3, "own"});
  CHECK(two->args == task::Value::Array{"own"});
  for (const auto& each : {*one, *two}) {
    CHECK(each.name == "python.callback");
    CHECK(each.parent_id == id);
    CHECK(each.root_id == "the-root");
    CHECK(*task::find(each.stamps, "tenant") == task::Value(task::Value::Array{"acme"}));
    CHECK(each.group == one->group);  // Several callbacks go as a group.
  }
  CHECK_FALSE(one->group.empty());
}

TEST_CASE("A failure goes to the error callbacks and to whoever waits for the rest of the chain", "[workflow]") {
  TestBroker broker(2);
  Running worker(broker.url(), {.queues = {"q"}}, define_steps);
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "answers"});
  peer.consume("answers");
  task::Signature broken = step("fail");
  broken.options.emplace_back("link_error", one_of(step("say", {}, {{"reply_to", "answers"}})));
  const std::string id = begin(peer, task::make_chain({broken, step("double"), step("double")}));
  std::map<std::string, task::ResultMeta> failures;
  std::optional<task::ResultMeta> told;
  for (int i = 0; i < 4; ++i) {
    auto answer = next_answer(peer);
    if (answer.status == "FAILURE") {
      CHECK(answer.exception->message() == "on purpose");
      failures.emplace(answer.task_id, answer);
    } else {
      told = answer;
    }
  }
  CHECK(failures.size() == 3);  // The task, and the two that will never run.
  CHECK(failures.contains(id));
  REQUIRE(told);
  CHECK(told->result == task::Value(id));
}

TEST_CASE("Groups within a chain run at once", "[workflow]") {
  TestBroker broker;
  Running worker(broker.url(), {.queues = {"q"}, .concurrency = 2}, define_steps);
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "answers"});
  peer.consume("answers");
  begin(peer, task::make_chain({step("add", {1, 2}), task::make_group({step("add", {10}), step("add", {20})})}));
  std::multiset<std::int64_t> results;
  for (int i = 0; i < 3; ++i) results.insert(*next_answer(peer).result.get<std::int64_t>());
  CHECK(results == std::multiset<std::int64_t>{3, 13, 23});
}

TEST_CASE("What follows and cannot be sent leaves a dead letter", "[workflow]") {
  TestBroker broker;
  Running worker(broker.url(), {.queues = {"q"}}, define_steps);
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "wherry.dead"});
  peer.consume("wherry.dead");
  task::Signature root = step("add", {1, 2});
  root.options.emplace_back("link", one_of(step("say", {}, {{"countdown", "soon"}})));
  begin(peer, root);
  const auto letter = peer.next();
  CHECK_THAT(*letter.properties.headers->string("x-wherry-reason"),
             Catch::Contains("what follows it cannot be sent") && Catch::Contains("countdown"));
}

TEST_CASE("A task whose connection was lost leaves what follows it to the one that gets it again", "[workflow]") {
  TestBroker broker;
  Cable cable(broker.port());
  Doors doors;
  std::atomic<int> runs = 0;
  Running worker(cable.url(), {.queues = {"q"}, .concurrency = 2}, [&](Registry& tasks) {
    tasks.on("wait", [&] {
      const int run = ++runs;
      doors.enter(std::to_string(run));
      return run;
    });
    define_steps(tasks);
  });
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "answers"});
  peer.consume("answers");
  begin(peer, task::make_chain({step("wait"), step("double")}));
  doors.wait_entered("1");
  cable.cut();
  doors.wait_entered("2");
  doors.open("1");
  doors.open("2");
  // The second task may well have ended before the first one's result is told.
  std::set<std::int64_t> results;
  for (int i = 0; i < 2; ++i) results.insert(*next_answer(peer).result.get<std::int64_t>());
  CHECK(results == std::set<std::int64_t>{2, 4});
  begin(peer, step("say", {"the last"}));
  CHECK(next_answer(peer).result == task::Value("the last"));
}

TEST_CASE("Map and starmap run a registered task on each item", "[workflow][builtins]") {
  TestBroker broker;
  Running worker(broker.url(), {.queues = {"q"}}, [](Registry& tasks) {
    define_steps(tasks);
    tasks.on("later", [](int n, Context& context) -> Coro<int> {
      co_await context.sleep(1ms);
      co_return n + 1;
    });
  });
  worker.wait_ready();
  Client client(broker.url());
  using task::Value;
  auto run = [&](const char* name, const char* mapped, Value items) {
    return client.send(name, {}, {{"task", Value::Map{{"task", mapped}}}, {"it", std::move(items)}}, {.queue = "q"})
        .get(patience);
  };
  CHECK(run("celery.map", "double", Value::Array{1, 2, 3}) == Value(Value::Array{2, 4, 6}));
  CHECK(run("celery.map", "later", Value::Array{1, 2, 3}) == Value(Value::Array{2, 3, 4}));
  CHECK(run("celery.starmap", "add", Value::Array{Value::Array{1, 2}, Value::Array{3, 4}}) ==
        Value(Value::Array{3, 7}));
  CHECK(run("celery.map", "double", Value::Array{}) == Value(Value::Array{}));
  CHECK(run("celery.map", "double", Value::Array(20'000, 1)).get<Value::Array>()->size() == 20'000);
  CHECK_THROWS_WITH(run("celery.map", "double", Value::Array{1, "x"}), Catch::Contains("item 2: argument 1"));
  CHECK_THROWS_WITH(run("celery.map", "fail", Value::Array{1}), Catch::Contains("item 1: on purpose"));
  CHECK_THROWS_WITH(run("celery.map", "nobody", Value::Array{1}), Catch::Contains("no task 'nobody'"));
  CHECK(client.send("celery.accumulate", args(1, 2), {}, {.queue = "q"}).get(patience) == Value(Value::Array{1, 2}));
  CHECK(client.send("celery.accumulate", args(1, 2), {{"index", -1}}, {.queue = "q"}).get(patience) == Value(2));
}

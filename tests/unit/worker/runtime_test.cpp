// A worker and a client against a real broker: what becomes of a task.
#include <atomic>

#include <catch2/catch.hpp>

#include "protocol/task/envelope.h"
#include "protocol/task/result.h"
#include "tests/unit/worker/bench.h"

using namespace wherry;
using namespace wherry::worker::test;

namespace {

const amqp::FieldArray& history_of(const sdk::Delivery& letter) {
  const auto* found = letter.properties.headers->find("x-wherry-history");
  REQUIRE(found);
  return *found->get<amqp::FieldArray>();
}

std::string header(const sdk::Delivery& letter, std::string_view name) {
  const std::string* text = letter.properties.headers->string(name);
  return text ? *text : "(none)";
}

RetryPolicy at_once(std::uint32_t max_retries) {
  return {.max_retries = max_retries, .base = 1ms, .max = 10ms, .jitter = false};
}

}  // namespace

TEST_CASE("A task's progress and result arrive", "[runtime]") {
  const unsigned shards = GENERATE(1u, 2u);
  CAPTURE(shards);
  TestBroker broker(shards);
  Doors doors;
  Running worker(broker.url(), {.queues = {"q"}}, [&](Registry& tasks) {
    tasks.on("add", [](int a, int b) { return a + b; });
    tasks.on("slow", [&](Context& context) {
      context.progress(50);
      doors.enter("slow");
      return context.id() + context.queue() + std::to_string(context.attempt());
    });
    tasks.on("later", [](int n, Context& context) -> Coro<int> {
      const auto thread = std::this_thread::get_id();
      co_await context.sleep(1ms);
      co_return thread == std::this_thread::get_id() ? n : -1;
    });
  });
  worker.wait_ready();
  Client client(broker.url());
  CHECK(client.send("add", args(2, 3), {}, {.queue = "q"}).get(patience) == task::Value(5));
  // There is one thread in the pool: a coroutine that slept went on there, and not on the worker's own.
  CHECK(client.send("later", args(7), {}, {.queue = "q"}).get(patience) == task::Value(7));
  auto job = client.send("slow", {}, {}, {.queue = "q"});
  std::promise<task::Value> reported;
  job.on_progress([&](const task::Value& meta) { reported.set_value(meta); });
  CHECK(reported.get_future().get() == task::Value(50));
  doors.open("slow");
  CHECK(job.get(patience) == task::Value(job.id() + "q1"));
  CHECK(worker.stop() == 0);
}

TEST_CASE("A task that fails is tried again until it succeeds", "[runtime]") {
  const unsigned shards = GENERATE(1u, 2u);
  CAPTURE(shards);
  TestBroker broker(shards);
  std::vector<std::uint32_t> attempts;
  Running worker(broker.url(), {.queues = {"q"}, .retry = at_once(5)}, [&](Registry& tasks) {
    tasks.on("flaky", [&](Context& context) {
      attempts.push_back(context.attempt());
      if (attempts.size() < 3) throw std::runtime_error("not yet");
      return "done";
    });
  });
  Client client(broker.url());
  CHECK(client.send("flaky", {}, {}, {.queue = "q"}).get(patience) == task::Value("done"));
  CHECK(worker.stop() == 0);
  CHECK(attempts == std::vector<std::uint32_t>{1, 2, 3});
}

TEST_CASE("A task that fails to the last is a dead letter with its history", "[runtime]") {
  const unsigned shards = GENERATE(1u, 2u);
  CAPTURE(shards);
  TestBroker broker(shards);
  Running worker(broker.url(), {.queues = {"q"}, .name = "w1"}, [&](Registry& tasks) {
    tasks.on("broken", [](int) { throw std::out_of_range("7"); }, {.retry = at_once(2)});
  });
  Client client(broker.url());
  auto job = client.send("broken", args(1), {}, {.queue = "q"});
  CHECK_THROWS_WITH(job.get(patience), "std::out_of_range: 7");
  Peer peer(broker.url(), {.name = "wherry.dead"});
  peer.consume("wherry.dead");
  auto letter = peer.next();
  CHECK(header(letter, "x-wherry-queue") == "q");
  CHECK_THAT(header(letter, "x-wherry-reason"), Catch::Contains("failed 3 times") && Catch::Contains("7"));
  REQUIRE(history_of(letter).size() == 3);
  CHECK(*history_of(letter)[1].get<amqp::Table>()->string("error") == "std::out_of_range: 7");
  CHECK(*history_of(letter)[1].get<amqp::Table>()->string("worker") == "w1");
  auto task = task::decode(letter.properties, letter.body);
  REQUIRE(task);
  CHECK(task->id == job.id());
  CHECK(task->args == task::Value::Array{1});
}

TEST_CASE("A task may say that it is dead, or when it wants to be tried again", "[runtime]") {
  TestBroker broker;
  std::atomic<int> tries = 0;
  Running worker(broker.url(), {.queues = {"q"}, .retry = {.base = 1h, .max = 1h, .jitter = false}},
                 [&](Registry& tasks) {
                   tasks.on("impossible", [] { throw Dead{"no such account"}; });
                   tasks.on("busy", [&] {
                     if (++tries == 1) throw Retry{.after = 1ms, .reason = "busy"};
                     return 1;
                   });
                 });
  Client client(broker.url());
  CHECK_THROWS_WITH(client.send("impossible", {}, {}, {.queue = "q"}).get(patience),
                    Catch::Contains("no such account"));
  CHECK(client.send("busy", {}, {}, {.queue = "q"}).get(patience) == task::Value(1));
  CHECK(tries == 2);
  Peer peer(broker.url(), {.name = "wherry.dead"});
  peer.consume("wherry.dead");
  auto letter = peer.next();
  CHECK(header(letter, "x-wherry-reason") == "no such account");
  CHECK(history_of(letter).size() == 1);
}

TEST_CASE("What cannot be run is a dead letter at once", "[runtime]") {
  const unsigned shards = GENERATE(1u, 2u);
  CAPTURE(shards);
  TestBroker broker(shards);
  Running worker(broker.url(), {.queues = {"q"}},
                 [](Registry& tasks) { tasks.on("add", [](int a, int b) { return a + b; }); });
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "wherry.dead"});
  peer.consume("wherry.dead");
  Client client(broker.url());

  CHECK_THROWS_WITH(client.send("nobody.knows", {}, {}, {.queue = "q"}).get(patience), Catch::Contains("nobody.knows"));
  CHECK_THAT(header(peer.next(), "x-wherry-reason"), Catch::Contains("no task 'nobody.knows'"));

  CHECK_THROWS_WITH(client.send("add", args(1, "two"), {}, {.queue = "q"}).get(patience),
                    Catch::Contains("argument 2"));
  CHECK_THAT(header(peer.next(), "x-wherry-reason"), Catch::Contains("argument 2"));

  peer.publish({.routing_key = "q", .body = "no task at all"});
  auto letter = peer.next();
  CHECK(letter.body == "no task at all");
  CHECK_THAT(header(letter, "x-wherry-reason"), Catch::Contains("not a task that can be read"));
  CHECK(header(letter, "x-wherry-queue") == "q");
  CHECK(client.send("add", args(1, 2), {}, {.queue = "q"}).get(patience) == task::Value(3));
}

TEST_CASE("A part of a chord is a dead letter where no results are stored: the rest must not vanish", "[runtime]") {
  TestBroker broker(1);
  std::atomic<int> runs = 0;
  Running worker(broker.url(), {.queues = {"q"}}, [&](Registry& tasks) { tasks.on("step", [&] { ++runs; }); });
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "wherry.dead"});
  peer.consume("wherry.dead");
  const task::Embed embed{.chord = task::Value::Map{{"task", "step"}}};
  auto message = task::encode({.name = "step", .id = "1", .embed = embed}, std::chrono::system_clock::now());
  REQUIRE(message);
  peer.publish({.routing_key = "q", .properties = message->properties, .body = message->body});
  CHECK_THAT(header(peer.next(), "x-wherry-reason"), Catch::Contains("part of a chord"));
  CHECK(runs == 0);
}

TEST_CASE("No task waits behind a long one while another worker is idle", "[runtime]") {
  const unsigned shards = GENERATE(1u, 2u);
  CAPTURE(shards);
  TestBroker broker(shards);
  Doors doors;
  auto define = [&](const std::string& who) {
    return [&doors, who](Registry& tasks) {
      tasks.on("unit", [&doors, who](const std::string& name) { doors.enter(name, who); });
    };
  };
  Running one(broker.url(), {.queues = {"q"}, .name = "one"}, define("one"));
  Running two(broker.url(), {.queues = {"q"}, .name = "two"}, define("two"));
  one.wait_ready();
  two.wait_ready();
  Client client(broker.url());
  std::vector<Job<task::Value>> jobs;
  // 1, 5, 2, 3 and 1 units of work; the one of 5 ends after all others.
  const std::vector<std::string> names{"1", "5", "2", "3", "1 again"};
  for (const auto& name : names) jobs.push_back(client.send("unit", args(name), {}, {.queue = "q"}));
  doors.wait_entered("1");
  doors.wait_entered("5");
  for (int i : {0, 2, 3}) {
    doors.open(names[i]);
    doors.wait_entered(names[i == 0 ? 2 : i + 1]);
  }
  doors.open("1 again");
  jobs[4].get(patience);
  CHECK_FALSE(jobs[1].finished());
  doors.open("5");
  jobs[1].get(patience);
  CHECK(doors.who("1") != doors.who("5"));
  for (const char* other : {"2", "3", "1 again"}) CHECK(doors.who(other) == doors.who("1"));
}

TEST_CASE("A worker runs as many tasks at once as it has threads", "[runtime]") {
  TestBroker broker;
  Doors doors;
  Running worker(broker.url(), {.queues = {"a", "b"}, .concurrency = 3},
                 [&](Registry& tasks) { tasks.on("unit", [&](const std::string& name) { doors.enter(name); }); });
  Client client(broker.url());
  std::vector<Job<task::Value>> jobs;
  for (const char* name : {"1", "2", "3"}) {
    jobs.push_back(client.send("unit", args(name), {}, {.queue = name[0] == '2' ? "b" : "a"}));
  }
  for (const char* name : {"1", "2", "3"}) doors.wait_entered(name);
  for (const char* name : {"1", "2", "3"}) doors.open(name);
  for (auto& job : jobs) job.get(patience);
}

TEST_CASE("A task that comes before its time is held, and takes no other task's place", "[runtime]") {
  TestBroker broker;
  Doors doors;
  Running worker(broker.url(), {.queues = {"q"}}, [&](Registry& tasks) {
    tasks.on("now", [] {});
    tasks.on("later", [] { return std::chrono::system_clock::now(); });
  });
  worker.wait_ready();
  Client client(broker.url());
  const auto eta = std::chrono::system_clock::now() + 700ms;
  // Straight to the queue: the broker is not asked to hold it.
  auto later = client.send("later", {}, {}, {.eta = eta, .exchange = "", .routing_key = "q"});
  client.send("now", {}, {}, {.queue = "q"}).get(patience);
  auto ran_at = task::from_value<std::chrono::system_clock::time_point>(later.get(patience));
  REQUIRE(ran_at);
  CHECK(*ran_at >= std::chrono::floor<std::chrono::milliseconds>(eta));
}

TEST_CASE("A task that has expired is not run, and who waits is told", "[runtime]") {
  TestBroker broker;
  std::atomic<bool> ran = false;
  Running worker(broker.url(), {.queues = {"q"}}, [&](Registry& tasks) { tasks.on("stale", [&] { ran = true; }); });
  worker.wait_ready();
  Peer peer(broker.url(), {.name = "answers"});
  peer.consume("answers");
  const auto sent = std::chrono::system_clock::now();
  task::Task task{.name = "stale", .id = "id-1", .expires = sent - 1s, .reply_to = "answers"};
  auto encoded = task::encode(task, sent);
  REQUIRE(encoded);
  encoded->properties.expiration.reset();  // So that the broker does not drop it before.
  peer.publish({.routing_key = "q", .properties = encoded->properties, .body = encoded->body});
  auto answer = peer.next();
  auto meta = task::decode_result(answer.properties, answer.body);
  REQUIRE(meta);
  CHECK(meta->status == "REVOKED");
  CHECK(worker.stop() == 0);
  CHECK_FALSE(ran);
}

TEST_CASE("The soft time limit asks a task to stop, the message's before the worker's", "[runtime]") {
  TestBroker broker;
  Running worker(broker.url(), {.queues = {"q"}, .soft_time_limit = 24h}, [&](Registry& tasks) {
    tasks.on("sleeper", [](Context& context) -> Coro<bool> {
      co_await context.sleep(24h);
      co_return context.stop_token().stop_requested() && context.deadline() <= std::chrono::steady_clock::now();
    });
  });
  Client client(broker.url());
  CHECK(client.send("sleeper", {}, {}, {.queue = "q", .soft_time_limit = 1s}).get(patience) == task::Value(true));
}

TEST_CASE("A queue that is there with other arguments is used as it is", "[runtime]") {
  TestBroker broker;
  Peer peer(broker.url(), {.name = "q", .durable = false});
  peer.consume("other");  // Its declaration is confirmed after that of q.
  peer.publish({.routing_key = "q", .body = "x"});
  Running worker(broker.url(), {.queues = {"q"}}, [](Registry& tasks) { tasks.on("now", [] { return 1; }); });
  worker.wait_ready();
  Client client(broker.url());
  CHECK(client.send("now", {}, {}, {.exchange = "", .routing_key = "q"}).get(patience) == task::Value(1));
  CHECK(worker.stop() == 0);
}

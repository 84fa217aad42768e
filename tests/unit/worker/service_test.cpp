// What a service manager and an operator ask of a worker: whether it lives, new settings, the end at once.
#include "protocol/task/envelope.h"
#include "protocol/task/plan.h"
#include "tests/unit/worker/bench.h"
#include "worker/reload.h"
#include "worker/runtime/pulse.h"
#include "worker/settings/worker_settings.h"

using namespace wherry;
using namespace wherry::worker;
using namespace wherry::worker::test;

namespace {

// A worker that is told its settings anew, as on SIGHUP.
struct Reloadable {
  Reloadable(const TestBroker& broker, WorkerOptions options, const std::function<void(Registry&)>& define)
      : wanted(std::move(options)), running(broker.url(), wanted, define) {
    files.app.broker_url = broker.url();
    running.wait_ready();
  }
  void reload() { running.worker().reload(files, wanted); }

  WorkerOptions wanted;
  WorkerSettings files;
  Running running;
};

}  // namespace

TEST_CASE("Tasks get taken as long as none waits beside a free slot for a whole while", "[service]") {
  net::EventLoop loop;
  const auto make = [&] {
    return std::make_shared<Attempt>(std::make_shared<const Attempt::Ways>(loop, std::make_shared<Gate>(loop)),
                                     sdk::Delivery{}, task::Task{.name = "t", .id = "1"});
  };
  const AttemptRef one = make(), two = make();
  Monotonic now{};
  Pulse pulse;
  const auto look = [&](const std::vector<AttemptRef>& waiting, bool free, std::chrono::seconds after) {
    now += after;
    return pulse.look(waiting, free, now, 30s);
  };
  CHECK(look({}, true, 0s));
  CHECK(look({one}, true, 10s));
  CHECK(look({one}, true, 20s));
  // It was taken; another waits.
  CHECK(look({two}, true, 20s));
  // Behind long tasks anything may wait for ever.
  CHECK(look({two}, false, 24h));
  CHECK(look({two}, false, 24h));
  CHECK(look({two}, true, 10s));
  CHECK(look({two}, true, 29s));
  CHECK_FALSE(look({two}, true, 1s));
  CHECK_FALSE(look({one, two}, true, 10s));
  CHECK(look({one}, true, 10s));
}

TEST_CASE("Told to stop at once, a worker gives every task back and says that some ran", "[service]") {
  TestBroker broker;
  auto doors = std::make_shared<Doors>();
  auto stopped = std::make_shared<std::promise<void>>();
  const auto define = [&](const std::string& who) {
    return [=](Registry& tasks) {
      tasks.on("unit", [=](const std::string& name, Context& context) {
        doors->enter(name, who);
        if (context.stop_token().stop_requested()) stopped->set_value();
        return who;
      });
    };
  };
  Client client(broker.url());
  std::vector<Job<task::Value>> jobs;
  {
    Running one(broker.url(), {.queues = {"q"}, .prefetch = 2, .graceful_timeout = 24h}, define("one"));
    one.wait_ready();
    for (const char* name : {"a", "b"}) jobs.push_back(client.send("unit", args(name), {}, {.queue = "q"}));
    doors->wait_entered("a");
    SECTION("by itself") {}
    SECTION("after it was asked to stop in peace") {
      one.begin_stop();
    }
    one.worker().stop_at_once();
    CHECK(one.wait_code() == 1);
  }
  Running two(broker.url(), {.queues = {"q"}, .concurrency = 2}, define("two"));
  doors->open("a");
  doors->open("b");
  CHECK(jobs[0].get(patience) == task::Value("two"));
  CHECK(jobs[1].get(patience) == task::Value("two"));
  // What still ran was asked to end, and what it says then comes to nothing.
  CHECK(stopped->get_future().wait_for(patience) == std::future_status::ready);
}

TEST_CASE("A worker that does nothing stops at once as cleanly as in peace", "[service]") {
  TestBroker broker;
  Running worker(broker.url(), {.queues = {"q"}}, [](Registry&) {});
  worker.wait_ready();
  worker.worker().stop_at_once();
  CHECK(worker.wait_code() == 0);
}

TEST_CASE("More tasks at once are taken while the first still runs", "[service]") {
  TestBroker broker;
  Doors doors;
  Reloadable worker(broker, {.queues = {"q"}, .concurrency = 1},
                    [&](Registry& tasks) { tasks.on("unit", [&](const std::string& name) { doors.enter(name); }); });
  Client client(broker.url());
  std::vector<Job<task::Value>> jobs;
  for (const char* name : {"a", "b"}) jobs.push_back(client.send("unit", args(name), {}, {.queue = "q"}));
  doors.wait_entered("a");
  worker.wanted.concurrency = 2;
  worker.reload();
  doors.wait_entered("b");
  doors.open("b");
  jobs[1].get(patience);
  doors.open("a");
  jobs[0].get(patience);
}

TEST_CASE("Retries, limits and routes are those that were read last", "[service]") {
  TestBroker broker;
  std::atomic<int> failures = 0;
  Reloadable worker(broker, {.queues = {"q"}, .retry = {.max_retries = 0}}, [&](Registry& tasks) {
    tasks.on("fails", [&] {
      ++failures;
      throw std::runtime_error("no");
    });
    tasks.on("limited", [](Context& context) { return context.deadline().has_value(); });
    tasks.on("first", [](int number) { return number; });
  });
  Client client(broker.url());
  const auto end = [&](const char* task) {
    auto job = client.send(task, {}, {}, {.queue = "q"});
    CHECK_THROWS_AS(job.get(patience), TaskFailed);
  };
  end("fails");
  CHECK(failures == 1);
  CHECK(client.send("limited", {}, {}, {.queue = "q"}).get(patience) == task::Value(false));

  worker.wanted.task_limits = {{.task = "lim*", .soft_time_limit = 1h}};
  worker.files.app.task_retries = {{.pattern = "fails", .max_retries = 2, .base = 1ms}};
  worker.files.app.task_routes = {{.pattern = "next", .queue = "elsewhere"}};
  worker.reload();
  // Answers come in the order in which a loop is told: the new settings are there before the next task.
  end("fails");
  CHECK(failures == 4);
  CHECK(client.send("limited", {}, {}, {.queue = "q"}).get(patience) == task::Value(true));
  Peer peer(broker.url(), {.name = "elsewhere"});
  peer.consume("elsewhere");
  const auto now = std::chrono::system_clock::now();
  const auto plan = task::make_plan(task::make_chain({{.task = "first", .args = {1}}, {.task = "next"}}), {}, now);
  REQUIRE(plan);
  auto message = task::encode(plan->tasks.front().task, now);
  REQUIRE(message);
  peer.publish({.routing_key = "q", .properties = message->properties, .body = message->body});
  CHECK(peer.next().queue == "elsewhere");
}

TEST_CASE("Options that cannot be are refused, and nothing is changed", "[service]") {
  TestBroker broker;
  Reloadable worker(broker, {.queues = {"q"}, .concurrency = 1},
                    [](Registry& tasks) { tasks.on("unit", [] { return 1; }); });
  worker.wanted.concurrency = 5'000;
  CHECK_THROWS_AS(worker.reload(), ClientError);
  Client client(broker.url());
  CHECK(client.send("unit", {}, {}, {.queue = "q"}).get(patience) == task::Value(1));
}

TEST_CASE("What a running worker cannot take is named, and no value with it", "[service]") {
  WorkerSettings settings, others;
  WorkerOptions options, wanted;
  CHECK(wants_restart(settings, options, others, wanted).empty());
  others.app.broker_url = "amqp://me:secret@there";
  others.load = {"x.so"};
  wanted.queues = {"other"};
  wanted.statedb = "file";
  wanted.graceful_timeout = 1s;  // It can.
  CHECK(wants_restart(settings, options, others, wanted) ==
        std::vector<std::string>{"broker", "queues", "statedb", "load"});
}

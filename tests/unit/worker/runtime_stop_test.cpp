// How a worker ends: asked to, refused, stuck.
#include <atomic>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "tests/unit/worker/bench.h"
#include "wherry/error.h"

using namespace wherry;
using namespace wherry::worker::test;

namespace {

// What is written to standard error meanwhile.
class CapturedLog {
 public:
  CapturedLog() : kept_(::dup(2)), file_(std::tmpfile()) {
    ::dup2(::fileno(file_), 2);
    log::set_level(log::Level::info);
  }
  ~CapturedLog() {
    if (file_) text();
  }
  std::string text() {
    log::set_level(log::Level::off);
    ::dup2(kept_, 2);
    ::close(kept_);
    std::string all;
    std::rewind(file_);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) all += static_cast<char>(c);
    std::fclose(std::exchange(file_, nullptr));
    return all;
  }

 private:
  int kept_;
  std::FILE* file_;
};

}  // namespace

TEST_CASE("A worker that stops finishes what runs and returns the rest to others", "[runtime]") {
  const unsigned shards = GENERATE(1u, 2u);
  CAPTURE(shards);
  TestBroker broker(shards);
  Doors doors;
  std::atomic<int> redelivered = 0;
  auto define = [&](const std::string& who) {
    return [&, who](Registry& tasks) {
      tasks.on("unit", [&, who](const std::string& name, Context& context) {
        redelivered += context.redelivered();
        doors.enter(name, who);
        return who;
      });
    };
  };
  Client client(broker.url());
  std::vector<Job<task::Value>> jobs;
  for (const char* name : {"a", "b", "c"}) jobs.push_back(client.send("unit", args(name), {}, {.queue = "q"}));
  Running one(broker.url(), {.queues = {"q"}, .prefetch = 3}, define("one"));
  doors.wait_entered("a");
  one.begin_stop();
  Running two(broker.url(), {.queues = {"q"}}, define("two"));
  doors.open("b");
  doors.open("c");
  CHECK(jobs[1].get(patience) == task::Value("two"));
  CHECK(jobs[2].get(patience) == task::Value("two"));
  CHECK(redelivered >= 1);
  CHECK_FALSE(jobs[0].finished());
  doors.open("a");
  CHECK(one.wait_code() == 0);
  CHECK(jobs[0].get(patience) == task::Value("one"));
  // It was acknowledged before the connection went: nobody gets it again.
  CHECK(client.send("unit", args("b"), {}, {.queue = "q"}).get(patience) == task::Value("two"));
  CHECK(two.stop() == 0);
  CHECK(doors.times("a") == 1);
}

TEST_CASE("A task that does not end in time keeps nobody, and is given out again", "[runtime]") {
  const unsigned shards = GENERATE(1u, 2u);
  CAPTURE(shards);
  TestBroker broker(shards);
  auto doors = std::make_shared<Doors>();
  auto ended = std::make_shared<std::promise<bool>>();
  std::atomic<bool> again = false;
  auto define = [&](Registry& tasks) {
    tasks.on("stuck", [&again, doors, ended](Context& context) {
      if (context.redelivered()) {
        again = true;
        return;
      }
      doors->enter("stuck");
      context.progress("nobody hears this");
      ended->set_value(context.stop_token().stop_requested());
    });
  };
  Client client(broker.url());
  auto job = client.send("stuck", {}, {}, {.queue = "q"});
  {
    Running worker(broker.url(), {.queues = {"q"}, .graceful_timeout = 20ms}, define);
    doors->wait_entered("stuck");
    CHECK(worker.stop() == 1);
  }
  Running other(broker.url(), {.queues = {"q"}}, define);
  job.get(patience);
  CHECK(again);
  doors->open("stuck");
  CHECK(ended->get_future().get());
}

TEST_CASE("Asked to stop a second time, a worker stops at once", "[runtime]") {
  TestBroker broker;
  auto doors = std::make_shared<Doors>();
  auto ended = std::make_shared<std::promise<void>>();
  {
    Running worker(broker.url(), {.queues = {"q"}, .graceful_timeout = 24h}, [&](Registry& tasks) {
      tasks.on("stuck", [doors, ended] {
        doors->enter("stuck");
        ended->set_value();
      });
    });
    Client client(broker.url());
    client.send("stuck", {}, {}, {.queue = "q"});
    doors->wait_entered("stuck");
    worker.begin_stop();
    worker.begin_stop();
    CHECK(worker.wait_code() == 1);
  }
  doors->open("stuck");
  ended->get_future().wait();
}

TEST_CASE("A worker stops while a retry is not confirmed and while it holds tasks", "[runtime]") {
  TestBroker broker;
  std::atomic<int> runs = 0;
  Running worker(broker.url(), {.queues = {"q"}, .retry = {.base = 24h, .max = 24h, .jitter = false}},
                 [&](Registry& tasks) {
                   tasks.on("fails", [&] {
                     ++runs;
                     throw std::runtime_error("no");
                   });
                   tasks.on("later", [] {});
                 });
  worker.wait_ready();
  Client client(broker.url());
  client.send("later", {}, {}, {.countdown = 24h, .exchange = "", .routing_key = "q"});
  auto job = client.send("fails", {}, {}, {.queue = "q"});
  while (runs == 0) std::this_thread::yield();
  CHECK(worker.stop() == 0);
  CHECK(runs == 1);
}

TEST_CASE("A worker that is not let in says so and ends", "[runtime]") {
  TestBroker broker;
  CapturedLog log;
  Running worker(broker.url("guest:hunter2"), {.queues = {"q"}}, [](Registry&) {});
  CHECK(worker.wait_code() == 2);
  const std::string text = log.text();
  CHECK_THAT(text, Catch::Contains("the broker does not let this worker in") && Catch::Contains("guest@127.0.0.1"));
  CHECK_THAT(text, !Catch::Contains("hunter2"));
}

TEST_CASE("A queue that cannot be consumed ends the worker with the reason", "[runtime]") {
  TestBroker broker;
  Peer owner(broker.url(), {.name = "q", .durable = false, .exclusive = true});
  owner.publish({.routing_key = "q", .body = "x"});
  CapturedLog log;
  Running worker(broker.url(), {.queues = {"q"}}, [](Registry&) {});
  CHECK(worker.wait_code() == 2);
  CHECK_THAT(log.text(), Catch::Contains("RESOURCE_LOCKED"));
}

TEST_CASE("A worker that never found its broker stops at once, and cleanly", "[runtime]") {
  TestBroker broker;
  const std::string url = broker.url();
  broker.stop();
  Running worker(url, {.queues = {"q"}}, [](Registry&) {});
  CHECK(worker.stop() == 0);
}

TEST_CASE("Options and addresses that cannot be used are refused when the worker is made", "[runtime]") {
  CHECK_THROWS_AS(Worker("amqp://127.0.0.1", {.queues = {}}), ClientError);
  CHECK_THROWS_AS(Worker("amqp://127.0.0.1", {.concurrency = 5'000}), ClientError);
  CHECK_THROWS_AS(Worker("amqp://127.0.0.1", {.prefetch = 70'000}), ClientError);
  CHECK_THROWS_AS(Worker("http://127.0.0.1"), ClientError);
  CHECK(Worker("amqp://127.0.0.1", {.concurrency = 3}).options().prefetch == 3);
}

// Mishaps on request happen to the attempt and at the step that were named, and are gone afterwards.
#include <atomic>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "wherry/testing.h"

using namespace wherry;
using namespace wherry::testing;
using namespace std::chrono_literals;

namespace {

struct Charge {
  static constexpr auto task_name = "card.charge";
  using Result = int;
  int cents = 0;
};

// Counts charges.
struct Till {
  explicit Till(Harness& tasks) {
    tasks.registry().on<Charge>([this](const Charge& charge) {
      ++times;
      return charge.cents;
    });
  }
  std::atomic<int> times = 0;
};

}  // namespace

TEST_CASE("A worker that crashed before the task ran leaves it to the next") {
  Harness tasks;
  Till till(tasks);
  tasks.crash<Charge>({.step = Step::before_run});
  auto job = tasks.client().enqueue(Charge{5});
  tasks.drain();
  CHECK(till.times == 1);
  CHECK(tasks.ran<Charge>().at(0).redelivered);
  CHECK(job.get(30s) == 5);
  tasks.require_mishaps_happened();
}

TEST_CASE("A worker that crashed after the function, or before the acknowledgement, makes it run again") {
  const Step step = GENERATE(Step::after_run, Step::before_ack);
  Harness tasks;
  Till till(tasks);
  tasks.crash<Charge>({.step = step});
  auto job = tasks.client().enqueue(Charge{5});
  tasks.drain();
  CHECK(till.times == 2);
  const auto ran = tasks.ran<Charge>();
  REQUIRE(ran.size() == 2);
  CHECK_FALSE(ran[0].redelivered);
  CHECK(ran[1].redelivered);
  CHECK(ran[1].id == ran[0].id);
  CHECK(job.get(30s) == 5);
  tasks.drain();
  CHECK(till.times == 2);
  tasks.require_mishaps_happened();
}

TEST_CASE("A crash before the acknowledgement of a retry makes two of the task") {
  WorkerOptions worker;
  worker.retry = {.max_retries = 5, .base = 1min, .jitter = false};
  Harness tasks({.worker = worker});
  std::atomic<int> times = 0;
  tasks.registry().on<Charge>([&](const Charge&) -> int {
    if (++times == 1) throw std::runtime_error("busy");
    return 0;
  });
  tasks.crash<Charge>();
  tasks.client().enqueue(Charge{5});
  tasks.drain();
  CHECK(times == 2);
  CHECK(tasks.enqueued<Charge>().size() == 1);
  tasks.pass(1h);
  CHECK(times == 3);
}

TEST_CASE("A connection that is lost makes the task come again, and the worker goes on") {
  const Step step = GENERATE(Step::before_run, Step::after_run, Step::before_ack);
  Harness tasks;
  Till till(tasks);
  tasks.disconnect<Charge>({.step = step});
  auto job = tasks.client().enqueue(Charge{5});
  tasks.drain();
  CHECK(till.times == (step == Step::before_run ? 1 : 2));
  CHECK(tasks.ran<Charge>().back().redelivered);
  CHECK(job.get(30s) == 5);
  tasks.require_mishaps_happened();
}

TEST_CASE("A task that is duplicated is done as often as was asked, and once more") {
  Harness tasks;
  Till till(tasks);
  tasks.duplicate<Charge>({.times = 2});
  tasks.client().enqueue(Charge{5});
  tasks.drain();
  CHECK(till.times == 3);
  tasks.require_mishaps_happened();
}

TEST_CASE("A task that is delayed comes when that time has passed") {
  Harness tasks;
  Till till(tasks);
  tasks.delay<Charge>(10min);
  tasks.client().enqueue(Charge{5});
  tasks.drain();
  CHECK(till.times == 0);
  CHECK(tasks.require_enqueued<Charge>().eta == tasks.now() + 10min);
  tasks.pass(10min);
  CHECK(till.times == 1);
}

TEST_CASE("A mishap befalls the attempt that was named, of the task that was named") {
  Harness tasks;
  Till till(tasks);
  tasks.registry().on("other", [] {});
  tasks.crash<Charge>({.step = Step::after_run, .attempt = 3});
  tasks.client().send("other");
  tasks.client().enqueue(Charge{1});
  tasks.client().enqueue(Charge{2});
  tasks.drain();
  CHECK(till.times == 2);
  std::string failure;
  try {
    tasks.require_mishaps_happened();
  } catch (const CheckFailed& failed) {
    failure = failed.what();
  }
  CHECK(failure == "did not happen: crash of card.charge: 0 of 1");
  tasks.client().enqueue(Charge{3});
  tasks.drain();
  CHECK(till.times == 4);
  tasks.require_mishaps_happened();
}

TEST_CASE("What cannot be asked for is refused") {
  Harness tasks;
  CHECK_THROWS_AS(tasks.duplicate<Charge>({.step = Step::after_run}), std::logic_error);
  CHECK_THROWS_AS(tasks.crash<Charge>({.attempt = 0}), std::logic_error);
}

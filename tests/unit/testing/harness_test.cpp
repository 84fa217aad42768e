// An application's view of its tasks under test: what waits, what runs when, whose clock it is, what a failed check
// says.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "wherry/canvas.h"
#include "wherry/testing.h"

using namespace wherry;
using namespace wherry::testing;
using namespace std::chrono_literals;

namespace {

struct Mail {
  static constexpr auto task_name = "mail.send";
  std::string to;
  int copies = 1;
};
struct Count {
  static constexpr auto task_name = "count";
  using Result = int;
  int n = 0;
};
constexpr Function<int(std::vector<int>)> sum{"sum"};
// Its fields are not those of mail.send.
struct OtherMail {
  static constexpr auto task_name = "mail.send";
  int number = 0;
};

std::string failure_of(const std::function<void()>& check) {
  try {
    check();
  } catch (const CheckFailed& failed) {
    return failed.what();
  }
  return "no failure";
}

// What ran, in order.
class Diary {
 public:
  void write(std::string entry) {
    std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
  }
  std::vector<std::string> entries() const {
    std::lock_guard lock(mutex_);
    return entries_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> entries_;
};
using Entries = std::vector<std::string>;

}  // namespace

TEST_CASE("What was enqueued is found by its type, queue and fields, and stays") {
  Harness tasks;
  tasks.client().enqueue(Mail{.to = "ann"}, {.queue = "email", .priority = 4});
  tasks.client().enqueue(Mail{.to = "bob", .copies = 2}, {.queue = "email"});
  tasks.client().enqueue(Count{7});
  const auto mails = tasks.enqueued<Mail>();
  REQUIRE(mails.size() == 2);
  CHECK(mails[0].task.to == "ann");
  CHECK(mails[0].queue == "email");
  CHECK(mails[0].priority == 4);
  CHECK_FALSE(mails[0].eta);
  CHECK(tasks.require_enqueued<Mail>({.that = [](const Mail& mail) { return mail.copies == 2; }}).task.to == "bob");
  CHECK(tasks.require_enqueued<Count>({.queue = "celery"}).task.n == 7);
  tasks.require_none<Count>({.queue = "email"});
  CHECK(tasks.enqueued<Mail>().size() == 2);
}

TEST_CASE("A check that fails says what was there instead") {
  Harness tasks;
  CHECK(failure_of([&] { tasks.require_enqueued<Mail>(); }) == "no task 'mail.send' waits. Nothing waits.");
  tasks.client().enqueue(Count{7}, {.countdown = 1min});
  CHECK(failure_of([&] { tasks.require_enqueued<Mail>({.queue = "email"}); }) ==
        "no task 'mail.send' waits in queue 'email'. What waits:\n  queue 'celery': count {'n': 7} (delayed)");
  CHECK(failure_of([&] {
          tasks.require_enqueued<Count>({.that = [](const Count& count) { return count.n > 7; }});
        }).starts_with("1 of task 'count' wait, and none is as asked."));
  CHECK(failure_of([&] { tasks.require_none<Count>(); }).starts_with("no task 'count' should wait. What waits:"));
  tasks.client().enqueue(Mail{.to = "ann"});
  CHECK(failure_of([&] { tasks.enqueued<OtherMail>(); }).find("does not fit its type: ") != std::string::npos);
}

TEST_CASE("Draining runs what is due, and what that enqueues, in the order of the queue") {
  Harness tasks;
  Diary diary;
  tasks.registry().on<Count>([&](const Count& count) {
    diary.write("count " + std::to_string(count.n));
    if (count.n > 0) tasks.client().enqueue(Mail{.to = "m" + std::to_string(count.n)}, {.queue = "email"});
    return count.n;
  });
  tasks.registry().on<Mail>([&](const Mail& mail) { diary.write(mail.to); });
  auto job = tasks.client().enqueue(Count{1});
  tasks.client().enqueue(Count{0});
  CHECK(diary.entries().empty());
  tasks.drain();
  CHECK(diary.entries() == Entries{"count 1", "count 0", "m1"});
  CHECK(job.get(30s) == 1);
  tasks.require_none<Count>();
  const auto ran = tasks.ran<Count>();
  REQUIRE(ran.size() == 2);
  CHECK(ran[0].done);
  CHECK(ran[0].task.n == 1);
  tasks.drain();
  CHECK(diary.entries().size() == 3);
}

TEST_CASE("Inlined, an enqueue returns when the task and what it enqueued have run") {
  Harness tasks({.mode = Mode::inlined});
  Diary diary;
  tasks.registry().on<Count>([&](const Count& count) {
    tasks.client().enqueue(Mail{.to = "ann"}, {.queue = "email"});
    diary.write("count " + std::to_string(count.n));
    return count.n;
  });
  tasks.registry().on<Mail>([&](const Mail& mail) { diary.write(mail.to); });
  tasks.client().enqueue(Count{5});
  CHECK(diary.entries() == Entries{"count 5", "ann"});
  tasks.client().enqueue_many(std::vector{Mail{.to = "bob"}, Mail{.to = "carl"}});
  CHECK(diary.entries() == Entries{"count 5", "ann", "bob", "carl"});
  tasks.client().enqueue(Mail{.to = "dora"}, {.countdown = 1h});
  CHECK(diary.entries().size() == 4);
  tasks.advance(1h);
  CHECK(diary.entries().back() == "dora");
}

TEST_CASE("A countdown waits for the clock of the test, and for no other") {
  Harness tasks;
  Diary diary;
  tasks.registry().on<Mail>([&](const Mail& mail) { diary.write(mail.to); });
  const auto begin = tasks.now();
  tasks.client().enqueue(Mail{.to = "late"}, {.countdown = 10min});
  CHECK(tasks.require_enqueued<Mail>().eta == begin + 10min);
  tasks.drain();
  tasks.advance(10min - 1ms);
  tasks.drain();
  CHECK(diary.entries().empty());
  tasks.advance(1ms);
  tasks.drain();
  CHECK(diary.entries() == Entries{"late"});
  CHECK(tasks.now() == begin + 10min);
}

TEST_CASE("Retries fall due one after the other as time passes, and end as a dead letter") {
  WorkerOptions worker;
  worker.retry = {.max_retries = 3, .base = 1min, .factor = 2, .jitter = false};
  Harness tasks({.worker = worker});
  std::vector<std::chrono::system_clock::time_point> times;
  tasks.registry().on<Mail>([&](const Mail&) {
    times.push_back(tasks.now());
    throw std::runtime_error("the server says no");
  });
  const auto begin = tasks.now();
  tasks.client().enqueue(Mail{.to = "ann"});
  tasks.pass(2min);
  CHECK(times == std::vector{begin, begin + 1min});
  CHECK(tasks.require_enqueued<Mail>().eta == begin + 3min);
  CHECK(tasks.require_enqueued<Mail>().retries == 2);
  tasks.pass(1h);
  CHECK(times == std::vector{begin, begin + 1min, begin + 3min, begin + 7min});
  CHECK(tasks.now() == begin + 2min + 1h);
  const auto letters = tasks.dead_letters();
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].task == "mail.send");
  CHECK(letters[0].queue == "celery");
  CHECK(letters[0].reason.find("the server says no") != std::string::npos);
  CHECK(tasks.ran<Mail>().back().error == "std::runtime_error: the server says no");
}

TEST_CASE("A task that expired before its time is not run") {
  Harness tasks;
  Diary diary;
  tasks.registry().on<Mail>([&](const Mail& mail) { diary.write(mail.to); });
  tasks.client().enqueue(Mail{.to = "gone"}, {.expires = 5min});
  tasks.client().enqueue(Mail{.to = "there"}, {.expires = 15min});
  tasks.advance(10min);
  tasks.drain();
  CHECK(diary.entries() == Entries{"there"});
}

TEST_CASE("A chord's body runs when its parts have") {
  Harness tasks({.store_results = true});
  tasks.registry().on<Count>([](const Count& count) { return count.n; });
  tasks.registry().on("sum", [](const std::vector<int>& parts) {
    int all = 0;
    for (const int part : parts) all += part;
    return all;
  });
  auto job = tasks.client().enqueue(group(sig(Count{1}), sig(Count{2}), sig(Count{3})) | sig(sum));
  tasks.drain();
  CHECK(job.get(30s) == 6);
}

TEST_CASE("Tasks are taken from the queues that are named, and left in the others") {
  WorkerOptions worker;
  worker.queues = {"email"};
  Harness tasks({.worker = worker});
  Diary diary;
  tasks.registry().on<Mail>([&](const Mail& mail) { diary.write(mail.to); });
  tasks.client().enqueue(Mail{.to = "here"}, {.queue = "email"});
  tasks.client().enqueue(Mail{.to = "elsewhere"}, {.queue = "other"});
  tasks.drain();
  CHECK(diary.entries() == Entries{"here"});
  CHECK(tasks.require_enqueued<Mail>().task.to == "elsewhere");
}

TEST_CASE("A drain that comes to no end says what is left") {
  Harness tasks({.patience = 200ms});
  tasks.registry().on<Count>([&](const Count& count) {
    tasks.client().enqueue(Count{count.n + 1});
    return 0;
  });
  tasks.client().enqueue(Count{0});
  const std::string text = failure_of([&] { tasks.drain(); });
  CHECK(text.find("after 200 ms there are still tasks that are due:\n  queue 'celery': ") == 0);
}

TEST_CASE("There is one harness at a time, and the time is the system's when it is gone") {
  {
    Harness tasks;
    CHECK_THROWS_AS(Harness(), std::logic_error);
    tasks.advance(24h);
    CHECK(tasks.now() > std::chrono::system_clock::now() + 23h);
  }
  Harness again;
  CHECK(again.now() < std::chrono::system_clock::now() + 1h);
  again.require_none<Mail>();
}

TEST_CASE("Retries come from the application's app.yaml") {
  const auto path = std::filesystem::temp_directory_path() / ("wherry-testing-" + std::to_string(::getpid()) + ".yaml");
  std::ofstream(path) << "task_retries:\n  mail.*:\n    max_retries: 0\n";
  {
    Harness tasks({.app = path.string()});
    tasks.registry().on<Mail>([](const Mail&) { throw std::runtime_error("no"); });
    tasks.client().enqueue(Mail{.to = "ann"});
    tasks.drain();
    CHECK(tasks.dead_letters().size() == 1);
  }
  std::filesystem::remove(path);
}

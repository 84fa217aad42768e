// Harness: an application's tasks under test: the real broker in this process, in memory; a client that is the
// application's; a worker that runs when the test says so; and a clock that moves when the test says so.
//
//   wherry::testing::Harness tasks;
//   tasks.registry().on<SendEmail>(send_email);
//
//   order_paid(tasks.client(), order);                                    // the code under test enqueues
//   tasks.require_enqueued<SendEmail>({.queue = "email"});
//   tasks.drain();                                                        // runs what is due, and what that enqueues
//   CHECK(mailbox.size() == 1);
//
//   tasks.pass(10min);                                                    // retries and countdowns fall due
//   tasks.crash<SendEmail>({.step = Step::before_ack});                   // the worker dies, and another goes on
//
// Everything is real but time and mishaps: a task is encoded, published, confirmed, kept by the broker, delivered,
// decoded, run, and settled; retries, dead letters and workflows are the worker's own. Nothing sleeps and nothing is
// timed: drain() returns when no task is left that is due. No test framework is needed: what is wrong is thrown as
// CheckFailed, and says what was there instead.
//
// While a Harness lives, the wall clock of Wherry in this process (delays, etas, expirations, time to live) stands
// still but for advance() and pass(). One Harness at a time. Deadlines of the network and task time limits are real
// time. Its log says errors only.
//
// Threads: client() and url() any; everything else one at a time. drain() runs the tasks on threads of the worker and
// returns on the caller's. Lifetime: clients that the test makes itself go before it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/task/bind.h"
#include "protocol/task/value.h"
#include "wherry/client.h"
#include "wherry/worker.h"

namespace wherry::testing {

// A check that did not hold, or tasks that do not come to an end.
class CheckFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Mode {
  drain,   // Tasks wait until drain() or pass().
  inlined  // A blocking enqueue returns when all that is due has run. What a task enqueues runs before that, too.
};

struct HarnessOptions {
  Mode mode = Mode::drain;
  // How tasks are run: retry, prefetch, result_backend and so on. Its queues are what drain() takes tasks from; left at
  // their default, it takes them from all queues but the one for dead letters. concurrency 0 means 1: tasks run one
  // after the other, in the order of their queue.
  WorkerOptions worker = {};
  ClientOptions client = {};  // Of client().
  // An app.yaml: its retries per task and the queues it declares. Clients read it themselves (Client::from_file, with
  // broker.url ${WHERRY_TEST_URL} or the like, which the test sets to url()).
  std::string app = {};
  // Results in a store of their own, which chords need, and jobs by id; for client() and the worker.
  bool store_results = false;
  std::chrono::milliseconds patience{30'000};  // Of real time, for a drain: then CheckFailed.
};

// Which tasks: all of them, unless something is said.
template <class T>
struct Where {
  std::string queue = {};
  std::function<bool(const T& task)> that = {};
};

// A task that waits.
template <class T>
struct Enqueued {
  T task;
  std::string id;
  std::string queue;
  std::optional<std::chrono::system_clock::time_point> eta = {};
  std::uint8_t priority = 0;
  std::uint32_t retries = 0;  // Attempts that failed before.
};

// An attempt that has run.
template <class T>
struct Ran {
  T task;
  std::string id;
  std::string queue;
  std::uint32_t attempt = 1;
  bool redelivered = false;
  bool done = false;  // Else it failed, asked for a retry or gave up.
  std::string error = {};
};

struct DeadLetter {
  std::string task;
  std::string id;
  std::string queue;   // That it came from.
  std::string reason;  // In one sentence.
  std::uint32_t retries = 0;
};

// The steps of an attempt at which a mishap may happen.
enum class Step {
  before_run,  // It has come, and its function was not called.
  after_run,   // Its function has ended, and nobody was told: no result, no retry, nothing that follows it.
  before_ack   // Result, retry or dead letter, and what follows, were sent; it is not acknowledged yet.
};

// Which attempt it befalls: the n-th that the worker gets of this task from now on, and so many after it.
struct Mishap {
  Step step = Step::before_ack;
  unsigned attempt = 1;
  unsigned times = 1;
};

class Harness {
 public:
  // Throws ClientError for options that cannot be used, std::logic_error when there is another Harness.
  explicit Harness(HarnessOptions options = {});
  ~Harness();
  Harness(const Harness&) = delete;
  Harness& operator=(const Harness&) = delete;

  Registry& registry();
  Client& client();
  // For clients of the application's own making.
  const std::string& url() const;
  const std::string& result_backend() const;

  // --- running -------------------------------------------------------------------------------------------------------
  // Runs every task that is due, and what those enqueue that is due, until there is none. Throws CheckFailed when that
  // takes longer than patience, saying what is left; a task's own failure is no error here: look at ran() and
  // dead_letters().
  void drain();

  // --- the clock -----------------------------------------------------------------------------------------------------
  std::chrono::system_clock::time_point now() const;
  // Moves it. What becomes due waits for drain(), or is run at once where the mode is inlined.
  void advance(std::chrono::milliseconds by);
  // Lets time pass: at each moment in it at which something falls due, that is run, then what falls due next, to the
  // end.
  void pass(std::chrono::milliseconds time);

  // --- what was enqueued and waits -----------------------------------------------------------------------------------
  // In the order of each queue, delayed ones last. Throws CheckFailed for a task whose arguments do not fit T.
  template <TaskStruct T>
  std::vector<Enqueued<T>> enqueued(const Where<T>& where = {}) const;
  // The first; throws CheckFailed when there is none, with all that waits.
  template <TaskStruct T>
  Enqueued<T> require_enqueued(const Where<T>& where = {}) const;
  template <TaskStruct T>
  void require_none(const Where<T>& where = {}) const;

  // --- what has run --------------------------------------------------------------------------------------------------
  template <TaskStruct T>
  std::vector<Ran<T>> ran() const;
  std::vector<DeadLetter> dead_letters() const;

  // --- mishaps on request --------------------------------------------------------------------------------------------
  // The worker is no more, and drain() goes on with a new one, to which the broker gives the task again.
  template <TaskStruct T>
  void crash(Mishap mishap = {}) {
    add_mishap(std::string(T::task_name), "crash", mishap, {});
  }
  // The worker's connection is lost, and made again.
  template <TaskStruct T>
  void disconnect(Mishap mishap = {}) {
    add_mishap(std::string(T::task_name), "disconnect", mishap, {});
  }
  // The task is done, and comes once more: as when an acknowledgement is lost. The step is before_ack.
  template <TaskStruct T>
  void duplicate(Mishap mishap = {}) {
    add_mishap(std::string(T::task_name), "duplicate", mishap, {});
  }
  // The task comes, and comes again only after a time. The step is before_run.
  template <TaskStruct T>
  void delay(std::chrono::milliseconds by, Mishap mishap = {}) {
    mishap.step = Step::before_run;
    add_mishap(std::string(T::task_name), "delay", mishap, by);
  }
  // Throws CheckFailed when a mishap that was asked for has not happened.
  void require_mishaps_happened() const;

 private:
  class Impl;
  struct Waiting {
    std::string name;
    std::string id;
    std::string queue;
    task::Value::Array args;
    task::Value::Map kwargs;
    std::optional<std::chrono::system_clock::time_point> eta;
    std::uint8_t priority = 0;
    std::uint32_t retries = 0;
  };
  struct Run {
    Waiting what;
    bool redelivered = false;
    bool done = false;
    std::string error = {};
  };
  std::vector<Waiting> waiting() const;
  std::vector<Run> runs() const;
  void add_mishap(std::string task, std::string_view kind, const Mishap& mishap, std::chrono::milliseconds delay);
  [[noreturn]] void fail_without(std::string_view task, const std::string& queue, std::size_t others) const;
  [[noreturn]] void fail_with(std::string_view task, const std::string& queue) const;

  template <class T>
  static T decode(const Waiting& from) {
    auto bound = task::bind_struct<T>(from.args, from.kwargs);
    if (!bound) throw CheckFailed(from.name + " [" + from.id + "] does not fit its type: " + bound.error().message);
    return std::move(*bound);
  }

  std::unique_ptr<Impl> impl_;
};

template <TaskStruct T>
std::vector<Enqueued<T>> Harness::enqueued(const Where<T>& where) const {
  std::vector<Enqueued<T>> found;
  for (const Waiting& each : waiting()) {
    if (each.name != T::task_name || (!where.queue.empty() && each.queue != where.queue)) continue;
    T task = decode<T>(each);
    if (where.that && !where.that(task)) continue;
    found.push_back({std::move(task), each.id, each.queue, each.eta, each.priority, each.retries});
  }
  return found;
}

template <TaskStruct T>
Enqueued<T> Harness::require_enqueued(const Where<T>& where) const {
  auto found = enqueued<T>(where);
  if (found.empty())
    fail_without(T::task_name, where.queue, where.that ? enqueued<T>({.queue = where.queue}).size() : 0);
  return std::move(found.front());
}

template <TaskStruct T>
void Harness::require_none(const Where<T>& where) const {
  if (!enqueued<T>(where).empty()) fail_with(T::task_name, where.queue);
}

template <TaskStruct T>
std::vector<Ran<T>> Harness::ran() const {
  std::vector<Ran<T>> found;
  for (const Run& each : runs()) {
    if (each.what.name != T::task_name) continue;
    found.push_back({decode<T>(each.what), each.what.id, each.what.queue, each.what.retries + 1, each.redelivered,
                     each.done, each.error});
  }
  return found;
}

}  // namespace wherry::testing

// Worker: takes tasks from queues, runs them on a pool, settles them.
//
//   wherry::Worker worker("amqp://127.0.0.1", {.queues = {"email"}, .concurrency = 4});
//   worker.registry().on<SendEmail>(send_email);
//   return worker.run();                       // until SIGTERM or SIGINT, or stop() from any thread
//
// Guarantee: at least once. A task is acknowledged after it ran and its result was sent; a worker that dies gives its
// tasks to others. A retry is published as a new message, confirmed, and only then is the old one acknowledged; the
// broker holds it until its time. What failed for good, cannot be decoded or has no function here goes to the
// dead-letter queue with its reason and the history of its attempts (docs/worker.md names the headers). Dispatch: fair.
// The broker gives this worker as many tasks as it has free slots (prefetch = concurrency), and a few milliseconds'
// work more while tasks are short, so none waits behind a long one while another worker is idle. Stop: run() stops
// taking tasks, finishes those that run (at most graceful_timeout), returns the rest to their queues; asked again, it
// stops at once.
//
// Threads: registering before run(); stop(), stop_at_once() and reload() from any thread, a signal handler excepted.
// Functions run on the pool's threads. Lifetime: one run() per worker.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "wherry/options.h"
#include "wherry/registry.h"

namespace wherry {

constexpr unsigned most_concurrency = 4'096;
constexpr unsigned most_prefetch = 65'535;

// Limits of the tasks whose name is this or fits it; they replace what the tasks' own options say, where they are set.
struct TaskLimits {
  std::string task = {};                       // "email.send", or a pattern: "email.*" (base/glob.h).
  std::optional<std::string> rate_limit = {};  // "10/s", "10/m", "10/h"; "0": none.
  std::optional<std::chrono::milliseconds> soft_time_limit = {};
  std::optional<std::chrono::milliseconds> time_limit = {};
};

struct WorkerOptions {
  std::vector<std::string> queues{"celery"};  // Declared durable when they are missing, as Celery does.
  QueueType queue_type = QueueType::classic;  // Of those queues, the dead letters' and any other that it makes.
  unsigned concurrency = 0;                   // Tasks at once; 0 = one a core.
  // Tasks taken at once. 0: concurrency, and more while tasks are short. More pays for coroutines only.
  unsigned prefetch = 0;
  std::string name = {};                                          // Node name; default "wherry@HOSTNAME".
  RetryPolicy retry = {};                                         // For tasks that do not say their own.
  std::optional<std::chrono::milliseconds> soft_time_limit = {};  // Likewise.
  std::optional<std::chrono::milliseconds> time_limit = {};       // Likewise; kept in processes only.
  // The entry of exactly the task's name counts, else the first pattern that fits.
  std::vector<TaskLimits> task_limits = {};
  // Where tasks run that do not say it themselves.
  Isolate pool = Isolate::thread;
  // Of processes: how many tasks one runs before it is replaced, how much it may have in memory after one, and how much
  // a task may allocate at all (bytes). 0: no limit.
  unsigned max_tasks_per_child = 0;
  std::uint64_t max_memory_per_child = 0;
  std::uint64_t memory_limit = 0;
  unsigned crash_budget = 3;  // A task that took so many workers or processes along is dead, whatever its retries.
  std::string dead_letter_queue = "wherry.dead";
  // Where results go: "rpc" to the reply queues of who sent the tasks; redis://, sqlite://, postgresql:// into a store
  // (docs/results.md has the forms); "none" nowhere.
  std::string result_backend = "rpc";
  std::chrono::milliseconds result_expires{86'400'000};  // A store drops a result after this. 0: never.
  std::chrono::milliseconds graceful_timeout{30'000};
  // Autoscale: concurrency moves between these two as there is work; 0: it is fixed.
  unsigned autoscale_max = 0;
  unsigned autoscale_min = 1;
  bool remote_control = true;  // celery inspect and control, heartbeats, and what other workers know of revoked tasks.
  bool task_events = false;    // Events of tasks are sent from the start, as with Celery's -E.
  // HOST:PORT where Prometheus finds metrics, /healthz and /readyz; empty: nowhere. Port 0 takes a free one.
  std::string metrics = {};
  // Files in PEM for HTTPS there; without a certificate it is plain HTTP. With ca only those are answered who show a
  // certificate that one of these has signed.
  std::string metrics_certificate = {};
  std::string metrics_key = {};
  std::string metrics_ca = {};
  std::string statedb = {};  // A file that keeps the ids of revoked tasks; empty: memory only.
  // run() stops on SIGTERM and SIGINT, at once on SIGQUIT, and calls on_reload on SIGHUP.
  bool handle_signals = true;
  // run() tells systemd that it is ready, how it is, and, to its watchdog, that tasks get taken. Nothing where
  // NOTIFY_SOCKET is not set. false: the program around it does so itself.
  bool notify = true;
  // Called once tasks are being taken, on the worker's own thread.
  std::function<void()> on_ready = {};
  // On SIGHUP, on the worker's own thread: read the settings again and call reload(). A worker from a file has one that
  // reads its files; without any, SIGHUP is left alone.
  std::function<void()> on_reload = {};
};

struct WorkerSettings;  // worker/settings/worker_settings.h

// What the settings say of a worker's options.
WorkerOptions worker_options(const WorkerSettings& settings);

class Worker {
 public:
  // url as wherry::Client takes it. Throws ClientError with Errc::invalid_argument, also for options out of range.
  explicit Worker(const std::string& url, WorkerOptions options = {});
  // From a file such as config/worker.yaml, which names its app.yaml: broker, topology, retries per task. What adjust
  // changes wins over the file. Throws ClientError with file, line and column.
  static Worker from_file(const std::string& path, const std::function<void(WorkerOptions&)>& adjust = {});
  // From settings that were loaded (and changed) before: broker, topology and retries. Throws likewise.
  Worker(WorkerSettings settings, WorkerOptions options);
  Worker(Worker&&) noexcept;
  ~Worker();

  Registry& registry();
  const WorkerOptions& options() const;

  // Returns 0 after a clean stop, 1 when tasks were still running (graceful_timeout was over, or it was to stop at
  // once), 2 when the broker did not let it in or refused its queues (the reason is in the log). After 1 those
  // functions still run on threads of their own, and what they do comes to nothing: end the process soon. Throws
  // std::logic_error the second time, std::system_error when the system has no threads left, ClientError when it cannot
  // listen where metrics are wanted, or a broker that is to be in this process (embedded:) cannot start.
  int run();
  void stop();
  // As SIGQUIT: what runs is given up (in processes it is killed, on threads asked to stop), and closing the connection
  // gives every task back to its queue. run() returns 1 when anything ran.
  void stop_at_once();

  // Takes what can be taken into a worker that runs, from settings that were read again: routes and what is to be
  // declared, retries, limits, how many at once, how long a stop may take. What is as it was before stays as it is,
  // also where remote control has changed it since. What differs beside that is logged as wanting a restart. Nothing
  // that runs is touched. Throws ClientError(invalid_argument) for options out of range; then nothing is changed.
  void reload(WorkerSettings settings, WorkerOptions options);

  // Where metrics are served, HOST:PORT; empty without WorkerOptions::metrics, and before run().
  std::string metrics_address() const;

  // Makes the process from which children are forked, where tasks run in processes. run() does so by itself, and must
  // then be called while the process has one thread. A program that has begun others by then calls this before that,
  // with all tasks registered. Throws std::logic_error with more threads than one, ClientError when the system gives no
  // process.
  void prefork();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wherry

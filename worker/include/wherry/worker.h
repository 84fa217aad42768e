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
// The broker gives this worker as many tasks as it has free slots (prefetch = concurrency), so none waits behind a long
// one while another worker is idle. Stop: run() stops taking tasks, finishes those that run (at most graceful_timeout),
// returns the rest to their queues; asked again, it stops at once.
//
// Threads: registering before run(); stop() from any thread, a signal handler excepted. Functions run on the pool's
// threads. Lifetime: one run() per worker.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "wherry/registry.h"

namespace wherry {

constexpr unsigned most_concurrency = 4'096;
constexpr unsigned most_prefetch = 65'535;

struct WorkerOptions {
  std::vector<std::string> queues{"celery"};  // Declared durable when they are missing, as Celery does.
  unsigned concurrency = 0;                   // Threads; 0 = one a core.
  unsigned prefetch = 0;                      // Tasks taken at once; 0 = concurrency. More pays for coroutines only.
  std::string name = {};                      // Node name; default "wherry@HOSTNAME".
  RetryPolicy retry = {};                     // For tasks that do not say their own.
  std::optional<std::chrono::milliseconds> soft_time_limit = {};  // Likewise.
  std::string dead_letter_queue = "wherry.dead";
  std::chrono::milliseconds graceful_timeout{30'000};
  bool handle_signals = true;  // run() stops on SIGTERM and SIGINT.
  // Called once tasks are being taken, on the worker's own thread.
  std::function<void()> on_ready = {};
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

  // Returns 0 after a clean stop, 1 when tasks were still running at the end of graceful_timeout, 2 when the broker did
  // not let it in or refused its queues (the reason is in the log). After 1 those functions still run on threads of
  // their own, and what they do comes to nothing: end the process soon. Throws std::logic_error the second time,
  // std::system_error when the system has no threads left.
  int run();
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wherry

// PgThread: the thread that PostgreSQL is asked on, over a connection that is made again when it breaks, and that is
// told which results change.
//
// What waits is done together in one transaction; when one of it fails, each by itself. While there is no connection,
// jobs wait for it until their deadlines. Threads: the loop's, but for work, which runs on the database's. Lifetime:
// the destructor waits for the work at hand, at most as long as that may take, and calls done of every job that is
// left.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "net/event_loop.h"
#include "sdk/results/backend.h"
#include "sdk/results/outcomes.h"
#include "sdk/results/postgres/connection.h"
#include "sdk/results/task_row.h"

namespace wherry::results {

class PgThread {
 public:
  using Connection = PgConnection;
  struct Job {
    Monotonic deadline = {};
    bool writes = false;
    std::function<void(PgConnection&)> work = {};           // Throws Failure; may be called again after that.
    std::function<void(std::optional<Failure>)> done = {};  // On the loop; what went wrong, if anything.
  };
  // heard: rows that changed, on the loop.
  PgThread(net::EventLoop& loop, std::string url, BackendOptions options,
           std::function<void(std::vector<TaskRow>)> heard);
  ~PgThread();

  void post(Job job);
  void watch(const std::string& task_id);
  void unwatch(const std::string& task_id);

 private:
  using Finished = Outcomes::Finished;
  void run();
  bool connect();
  void pause();
  void run_jobs(std::deque<Job> jobs);
  bool run_together(std::deque<Job>& jobs);
  void run_alone(Job job);
  void requeue(std::deque<Job> jobs, const Failure& failure);
  void look();
  void trouble(const Failure& failure);
  void wake();

  const std::string url_;
  const BackendOptions options_;
  const int wake_fd_;
  Outcomes outcomes_;

  std::mutex mutex_;
  std::deque<Job> jobs_;
  std::unordered_set<std::string> watched_;
  std::unordered_set<std::string> due_;  // To be looked at.
  bool stopping_ = false;

  // The database's thread's:
  std::unique_ptr<PgConnection> db_;
  bool listening_ = false;
  bool in_trouble_ = false;
  unsigned failures_ = 0;
  std::thread thread_;
};

}  // namespace wherry::results

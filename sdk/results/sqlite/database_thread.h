// DatabaseThread: the thread that an SQLite database is used on, because its calls wait for the disk and for other
// writers.
//
// What waits is done together in one transaction, each job undone by itself when it fails. While the database cannot be
// opened or written, jobs wait and are tried again until their deadlines; those are kept to about two seconds, the
// longest that SQLite waits for another writer. Threads: the loop's, but for work, which runs on the database's.
// Lifetime: the destructor waits for the work at hand, and calls done of every job that is left.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "net/event_loop.h"
#include "sdk/results/backend.h"
#include "sdk/results/outcomes.h"
#include "sdk/results/sqlite/change_feed.h"
#include "sdk/results/sqlite/database.h"

namespace wherry::results {

class DatabaseThread {
 public:
  using Connection = Database;
  struct Job {
    Monotonic deadline = {};
    bool writes = false;
    std::function<void(Database&)> work = {};               // Throws Failure.
    std::function<void(std::optional<Failure>)> done = {};  // On the loop; what went wrong, if anything.
  };
  // heard: rows that the feed saw change, on the loop.
  DatabaseThread(net::EventLoop& loop, std::string path, std::function<void(std::vector<TaskRow>)> heard);
  ~DatabaseThread();

  void post(Job job);
  void watch(const std::string& task_id);
  void unwatch(const std::string& task_id) { feed_.unwatch(task_id); }

 private:
  using Finished = Outcomes::Finished;
  void run();
  bool open();
  void run_batch(std::deque<Job> batch);
  void run_job(Job& job);
  void look(bool changed_here);
  void trouble(const Failure& failure);
  void try_again(std::deque<Job> batch, const Failure& failure);

  const std::string path_;
  ChangeFeed feed_;
  Outcomes outcomes_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool woken_ = false;
  bool stopping_ = false;

  // The database's thread's:
  std::unique_ptr<Database> db_;
  bool in_trouble_ = false;
  std::thread thread_;
};

}  // namespace wherry::results

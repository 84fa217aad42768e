#include "sdk/results/sqlite/database_thread.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "sdk/results/sqlite/tables.h"

namespace wherry::results {

using namespace std::chrono_literals;

namespace {

constexpr auto busy_timeout = 2s;
constexpr auto again_after = 200ms;
// How often it is looked whether somebody else has committed something, while results are watched: a few microseconds.
constexpr auto look_interval = 20ms;
constexpr std::size_t most_in_a_transaction = 1'000;

Failure too_late() {
  return {Failure::Kind::timed_out, "the result backend did not answer in time"};
}

}  // namespace

DatabaseThread::DatabaseThread(net::EventLoop& loop, std::string path, std::function<void(std::vector<TaskRow>)> heard)
    : path_(std::move(path)), outcomes_(loop, std::move(heard)), thread_([this] { run(); }) {}

DatabaseThread::~DatabaseThread() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
  outcomes_.close();
  while (!jobs_.empty()) {
    const auto done = std::move(jobs_.front().done);
    jobs_.pop_front();
    done(Failure{Failure::Kind::unavailable, "the result backend was closed"});
  }
}

void DatabaseThread::post(Job job) {
  std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  changed_.notify_all();
}

void DatabaseThread::watch(const std::string& task_id) {
  feed_.watch(task_id);
  std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void DatabaseThread::run() {
  while (true) {
    std::deque<Job> batch;
    {
      std::unique_lock lock(mutex_);
      const auto something = [this] { return stopping_ || woken_ || !jobs_.empty(); };
      if (feed_.any()) {
        changed_.wait_for(lock, look_interval, something);
      } else {
        changed_.wait(lock, something);
      }
      if (stopping_) return;
      woken_ = false;
      while (!jobs_.empty() && batch.size() < most_in_a_transaction) {
        batch.push_back(std::move(jobs_.front()));
        jobs_.pop_front();
      }
    }
    try {
      if (!db_) {
        db_ = std::make_unique<Database>(path_, busy_timeout);
        create_tables(*db_);
        feed_.start_over();
      }
    } catch (const Failure& failure) {
      db_.reset();
      trouble(failure);
      try_again(std::move(batch), failure);
      continue;
    }
    const bool writes = std::any_of(batch.begin(), batch.end(), [](const Job& job) { return job.writes; });
    if (!batch.empty()) run_batch(std::move(batch));
    look(writes);
  }
}

void DatabaseThread::run_batch(std::deque<Job> batch) {
  const bool writes = std::any_of(batch.begin(), batch.end(), [](const Job& job) { return job.writes; });
  std::vector<Finished> finished;
  try {
    // At once the writer, where it has to be one: becoming it half-way may be refused.
    db_->run(writes ? "BEGIN IMMEDIATE" : "BEGIN");
    for (Job& job : batch) {
      std::optional<Failure> failure;
      if (job.deadline <= std::chrono::steady_clock::now()) {
        failure = too_late();
      } else {
        db_->run("SAVEPOINT job");
        try {
          job.work(*db_);
        } catch (const Failure& thrown) {
          failure = thrown;
          db_->run("ROLLBACK TO job");
        }
        db_->run("RELEASE job");
      }
      finished.push_back({job.done, std::move(failure)});
    }
    db_->run("COMMIT");
  } catch (const Failure& failure) {
    try {
      if (db_->in_transaction()) db_->run("ROLLBACK");
    } catch (const Failure&) {
      db_.reset();
    }
    trouble(failure);
    return try_again(std::move(batch), failure);
  }
  if (std::exchange(in_trouble_, false)) log::info("results", "{} can be used again", path_);
  outcomes_.put(std::move(finished));
}

void DatabaseThread::look(bool changed_here) {
  if (!db_ || !feed_.any()) return;
  try {
    outcomes_.put({}, feed_.look(*db_, changed_here));
  } catch (const Failure& failure) {
    trouble(failure);
  }
}

// One line for a whole outage.
void DatabaseThread::trouble(const Failure& failure) {
  if (!std::exchange(in_trouble_, true))
    log::warning("results", "the result backend cannot be used: {}", failure.message);
}

void DatabaseThread::try_again(std::deque<Job> batch, const Failure& failure) {
  std::vector<Finished> finished;
  std::unique_lock lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  while (!batch.empty()) {
    if (batch.back().deadline <= now) {
      finished.push_back({std::move(batch.back().done), failure});
    } else {
      jobs_.push_front(std::move(batch.back()));
    }
    batch.pop_back();
  }
  lock.unlock();
  outcomes_.put(std::move(finished));
  lock.lock();
  changed_.wait_for(lock, again_after, [this] { return stopping_; });
}

}  // namespace wherry::results

#include "sdk/results/postgres/database_thread.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "sdk/results/postgres/tables.h"

namespace wherry::results {

using namespace std::chrono_literals;

namespace {

constexpr auto connect_within = 10s;
constexpr auto answer_within = 10s;  // For what is nobody's job: a transaction's begin and end, a changed row.
constexpr auto idle_check = 30s;     // A peer that vanished without a word is noticed like this.
constexpr std::size_t most_in_one = 100;

Monotonic from_now(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

}  // namespace

PgThread::PgThread(net::EventLoop& loop, std::string url, BackendOptions options,
                   std::function<void(std::vector<TaskRow>)> heard)
    : url_(std::move(url)),
      options_(std::move(options)),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      outcomes_(loop, std::move(heard)) {
  WHERRY_ASSERT(wake_fd_ >= 0);
  thread_ = std::thread([this] { run(); });
}

PgThread::~PgThread() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
  ::close(wake_fd_);
  outcomes_.close();
  while (!jobs_.empty()) {
    const auto done = std::move(jobs_.front().done);
    jobs_.pop_front();
    done(Failure{Failure::Kind::unavailable, "the result backend was closed"});
  }
}

void PgThread::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

void PgThread::post(Job job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake();
}

void PgThread::watch(const std::string& task_id) {
  {
    std::lock_guard lock(mutex_);
    watched_.insert(task_id);
    due_.insert(task_id);
  }
  wake();
}

void PgThread::unwatch(const std::string& task_id) {
  std::lock_guard lock(mutex_);
  watched_.erase(task_id);
}

// --- the database's thread -------------------------------------------------------------------------------------------

void PgThread::run() {
  while (true) {
    std::deque<Job> jobs;
    bool watching = false;
    {
      std::uint64_t wakes = 0;
      [[maybe_unused]] const auto read = ::read(wake_fd_, &wakes, sizeof wakes);
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      watching = !watched_.empty();
      while (!jobs_.empty() && jobs.size() < most_in_one) {
        jobs.push_back(std::move(jobs_.front()));
        jobs_.pop_front();
      }
    }
    if (db_ && db_->is_broken()) db_.reset();
    if (!db_ && (watching || !jobs.empty()) && !connect()) {
      requeue(std::move(jobs), {Failure::Kind::unavailable, "there is no connection to PostgreSQL"});
      pause();
      continue;
    }
    if (!jobs.empty()) run_jobs(std::move(jobs));
    if (db_ && (watching || listening_)) look();
    bool idle = false;
    {
      std::lock_guard lock(mutex_);
      idle = jobs_.empty() && due_.empty() && !stopping_;
    }
    if (!idle) continue;
    if (db_ && !db_->is_broken()) {
      const auto until = from_now(idle_check);
      db_->wait(wake_fd_, until);
      if (std::chrono::steady_clock::now() < until) continue;
      try {
        db_->set_deadline(from_now(answer_within));
        db_->query("SELECT 1", {});
      } catch (const Failure& failure) {
        trouble(failure);
      }
    } else if (!db_) {
      pollfd woken{wake_fd_, POLLIN, 0};
      ::poll(&woken, 1, -1);
    }
  }
}

bool PgThread::connect() {
  try {
    db_ = std::make_unique<PgConnection>(url_, options_.name.empty() ? "wherry" : options_.name,
                                         from_now(connect_within));
    create_tables(*db_);
    listening_ = false;
    std::lock_guard lock(mutex_);
    due_ = watched_;
  } catch (const Failure& failure) {
    db_.reset();
    trouble(failure);
    return false;
  }
  if (std::exchange(in_trouble_, false)) log::info("results", "connected to PostgreSQL again");
  failures_ = 0;
  return true;
}

// Before the next attempt, longer each time; ends early when it is all over.
void PgThread::pause() {
  const auto wait = std::min<std::chrono::milliseconds>(options_.backoff_max,
                                                        options_.backoff_first * (1u << std::min(failures_, 10u)));
  ++failures_;
  const auto end = from_now(wait);
  while (std::chrono::steady_clock::now() < end) {
    pollfd woken{wake_fd_, POLLIN, 0};
    // A new job is no reason to hurry, but its deadline may be near.
    if (::poll(&woken, 1, 50) > 0) std::this_thread::sleep_for(10ms);
    std::vector<Finished> late;
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      const auto now = std::chrono::steady_clock::now();
      std::erase_if(jobs_, [&](Job& job) {
        if (job.deadline > now) return false;
        late.push_back(
            {std::move(job.done), Failure{Failure::Kind::unavailable, "there is no connection to PostgreSQL"}});
        return true;
      });
    }
    outcomes_.put(std::move(late));
  }
}

void PgThread::run_jobs(std::deque<Job> jobs) {
  if (jobs.size() > 1 && run_together(jobs)) return;
  while (!jobs.empty()) {
    if (db_->is_broken()) return requeue(std::move(jobs), {Failure::Kind::unavailable, "the connection is lost"});
    run_alone(std::move(jobs.front()));
    jobs.pop_front();
  }
}

// False: nothing was done, each is to be tried by itself.
bool PgThread::run_together(std::deque<Job>& jobs) {
  std::vector<Finished> finished;
  try {
    db_->set_deadline(from_now(answer_within));
    db_->run("BEGIN");
    for (Job& job : jobs) {
      job.work(*db_);
      finished.push_back({job.done, std::nullopt});
    }
    db_->run("COMMIT");
  } catch (const Failure& failure) {
    if (db_->is_broken()) {
      trouble(failure);
    } else {
      try {
        db_->set_deadline(from_now(answer_within));
        db_->run("ROLLBACK");
      } catch (const Failure& worse) {
        trouble(worse);
      }
    }
    return false;
  }
  outcomes_.put(std::move(finished));
  return true;
}

void PgThread::run_alone(Job job) {
  if (job.deadline <= std::chrono::steady_clock::now()) {
    return outcomes_.put(
        {{std::move(job.done), Failure{Failure::Kind::timed_out, "PostgreSQL did not answer in time"}}});
  }
  try {
    db_->set_deadline(job.deadline);
    db_->run("BEGIN");
    job.work(*db_);
    db_->run("COMMIT");
    outcomes_.put({{std::move(job.done), std::nullopt}});
  } catch (const Failure& failure) {
    if (db_->is_broken()) {
      trouble(failure);
      std::deque<Job> again;
      again.push_back(std::move(job));
      return requeue(std::move(again), failure);
    }
    outcomes_.put({{std::move(job.done), failure}});
    try {
      db_->set_deadline(from_now(answer_within));
      db_->run("ROLLBACK");
    } catch (const Failure& worse) {
      trouble(worse);
    }
  }
}

void PgThread::requeue(std::deque<Job> jobs, const Failure& failure) {
  std::vector<Finished> late;
  {
    std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    for (; !jobs.empty(); jobs.pop_back()) {
      if (jobs.back().deadline <= now) {
        late.push_back({std::move(jobs.back().done), failure});
      } else {
        jobs_.push_front(std::move(jobs.back()));
      }
    }
  }
  outcomes_.put(std::move(late));
}

void PgThread::look() {
  std::vector<TaskRow> rows;
  try {
    // What changes after LISTEN is told; what stood before is read below.
    db_->set_deadline(from_now(answer_within));
    if (!std::exchange(listening_, true)) db_->run("LISTEN wherry_results");
    std::unordered_set<std::string> due;
    {
      std::lock_guard lock(mutex_);
      for (const std::string& id : db_->notifications()) {
        if (watched_.contains(id)) due_.insert(id);
      }
      due.swap(due_);
    }
    for (const std::string& id : due) {
      if (auto row = find_row(*db_, id)) rows.push_back(*std::move(row));
    }
  } catch (const Failure& failure) {
    trouble(failure);
    // All that is watched is looked at anew, over another connection.
    db_.reset();
    return;
  }
  outcomes_.put({}, std::move(rows));
}

// One line for a whole outage.
void PgThread::trouble(const Failure& failure) {
  if (!std::exchange(in_trouble_, true))
    log::warning("results", "the result backend cannot be used: {}", failure.message);
}

}  // namespace wherry::results

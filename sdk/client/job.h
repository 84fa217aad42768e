// The untyped part of a job, and the board on which results are matched to jobs by task id.
//
// Threads: any. Callbacks are called without a lock held: results and progress on the client's thread, what is known
// already on the caller's. Lifetime: a job holds the board, the board knows its jobs only as long as they live or are
// waited for.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sdk/client/alarms.h"
#include "sdk/client/stored_results.h"
#include "wherry/result.h"

namespace wherry::sdk {

// What a message on the reply queue, or a result backend, says about a task.
struct ResultNews {
  std::string task_id;
  TaskState state = TaskState::pending;
  task::Value result;  // The result, or the meta of a progress report.
  // For failure, revoked and retry.
  std::string error_type;
  std::string error_message;
  std::string traceback;
  std::vector<std::string> children;  // For success.
};

class ResultBoard;

class JobState final : public detail::JobCore, public std::enable_shared_from_this<JobState> {
 public:
  using ResumeOn = std::function<void(std::function<void()>)>;
  JobState(std::shared_ptr<ResultBoard> board, std::string id, bool wants_result, ResumeOn resume_on);
  ~JobState() override;

  const std::string& id() const override { return id_; }
  TaskState state() const override;
  void on_progress(std::function<void(const task::Value&)> hear) override;
  void await_result(std::chrono::milliseconds timeout, Finished finished) override;
  void forget(std::chrono::milliseconds timeout, std::function<void(std::exception_ptr)> done) override;
  std::vector<std::string> children() const override;
  ResumeOn resume_on() const override { return resume_on_; }

  void hear(const ResultNews& news);
  // The client is gone: what is not known now will never be.
  void close();

 private:
  struct Waiter {
    Finished finished;
    std::uint64_t alarm = 0;
  };
  void expire(std::uint64_t waiter, std::chrono::milliseconds timeout);
  void finish(std::exception_ptr error, task::Value result, TaskState state);

  const std::shared_ptr<ResultBoard> board_;
  const std::string id_;
  const bool wants_result_;
  const ResumeOn resume_on_;

  mutable std::mutex mutex_;
  TaskState state_ = TaskState::pending;
  bool over_ = false;  // error_ and result_ stand and do not change any more.
  std::exception_ptr error_;
  task::Value result_;
  std::vector<std::string> children_;
  std::optional<task::Value> progress_;
  std::function<void(const task::Value&)> hear_progress_;
  std::uint64_t next_waiter_ = 1;
  std::unordered_map<std::uint64_t, Waiter> waiters_;
};

class ResultBoard : public std::enable_shared_from_this<ResultBoard> {
 public:
  explicit ResultBoard(net::EventLoop& loop) : alarms_(std::make_shared<Alarms>(loop)) {}

  // Where results are stored, if they are; before the first job.
  void read_from(std::shared_ptr<StoredResults> stored) { stored_ = std::move(stored); }

  // A job must be on the board before its task is published: the result may come before the confirm.
  std::shared_ptr<JobState> add(const std::string& id, bool wants_result, JobState::ResumeOn resume_on);
  // The job of this id that somebody holds, else a new one.
  std::shared_ptr<JobState> find_or_add(const std::string& id, JobState::ResumeOn resume_on);
  void forget(const std::string& id);
  void forget_result(const std::string& id, Monotonic deadline, results::Done<> done);
  // News of a task that nobody holds a job of is dropped.
  void hear(const ResultNews& news);
  // No news will come any more. Once, when the loop has stopped or on its thread.
  void close();

  // 0 when the board is closed.
  std::uint64_t alarm(Monotonic when, std::function<void()> ring);
  void cancel(std::uint64_t alarm);

 private:
  std::shared_ptr<Alarms> alarms();

  std::shared_ptr<StoredResults> stored_;  // Null: results come over the reply queue.
  std::mutex mutex_;
  std::shared_ptr<Alarms> alarms_;  // Null when closed.
  std::unordered_map<std::string, std::weak_ptr<JobState>> jobs_;
};

}  // namespace wherry::sdk

#include "sdk/client/job.h"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace wherry {

std::string_view to_string(TaskState state) {
  switch (state) {
    case TaskState::pending:
      return "PENDING";
    case TaskState::received:
      return "RECEIVED";
    case TaskState::started:
      return "STARTED";
    case TaskState::progress:
      return "PROGRESS";
    case TaskState::retry:
      return "RETRY";
    case TaskState::success:
      return "SUCCESS";
    case TaskState::failure:
      return "FAILURE";
    case TaskState::revoked:
      return "REVOKED";
  }
  return "?";
}

void detail::throw_bad_result(const std::string& task_id, const std::string& reason) {
  throw ClientError(Errc::bad_result,
                    fmt::format("the result of task {} is not what was asked for: {}", task_id, reason));
}

namespace sdk {

namespace {

std::exception_ptr closed_error(const std::string& id) {
  return std::make_exception_ptr(
      ClientError(Errc::closed, fmt::format("the client was closed before the result of task {} came", id)));
}

}  // namespace

JobState::JobState(std::shared_ptr<ResultBoard> board, std::string id, bool wants_result, ResumeOn resume_on)
    : board_(std::move(board)), id_(std::move(id)), wants_result_(wants_result), resume_on_(std::move(resume_on)) {}

JobState::~JobState() {
  board_->forget(id_);
}

TaskState JobState::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

void JobState::on_progress(std::function<void(const task::Value&)> hear) {
  std::optional<task::Value> last;
  {
    std::lock_guard lock(mutex_);
    hear_progress_ = hear;
    last = progress_;
  }
  if (last && hear) hear(*last);
}

void JobState::await_result(std::chrono::milliseconds timeout, Finished finished) {
  if (!wants_result_) {
    throw std::logic_error("the task was enqueued without a result (ignore_result): there is nothing to wait for");
  }
  std::uint64_t waiter;
  {
    std::unique_lock lock(mutex_);
    if (over_) {
      lock.unlock();  // What is over does not change any more.
      return finished(error_, result_);
    }
    waiter = next_waiter_++;
    waiters_[waiter].finished = std::move(finished);
  }
  const auto when = std::chrono::steady_clock::now() + timeout;
  // The alarm holds the job: who waits for it may have dropped it.
  const auto alarm =
      board_->alarm(when, [self = shared_from_this(), waiter, timeout] { self->expire(waiter, timeout); });
  if (alarm == 0) return close();
  std::unique_lock lock(mutex_);
  if (auto at = waiters_.find(waiter); at != waiters_.end()) {
    at->second.alarm = alarm;
  } else {
    lock.unlock();
    board_->cancel(alarm);
  }
}

void JobState::expire(std::uint64_t waiter, std::chrono::milliseconds timeout) {
  Finished finished;
  TaskState state;
  {
    std::lock_guard lock(mutex_);
    const auto at = waiters_.find(waiter);
    if (at == waiters_.end()) return;
    finished = std::move(at->second.finished);
    waiters_.erase(at);
    state = state_;
  }
  finished(std::make_exception_ptr(
               ClientError(Errc::timed_out, fmt::format("no result of task {} within {} ms; it was last known as {}",
                                                        id_, timeout.count(), to_string(state)))),
           {});
}

void JobState::hear(const ResultNews& news) {
  if (news.state == TaskState::success) {
    std::lock_guard lock(mutex_);
    if (!over_) children_ = news.children;
  }
  switch (news.state) {
    case TaskState::success:
      return finish(nullptr, news.result, news.state);
    case TaskState::failure:
      return finish(std::make_exception_ptr(TaskFailed(news.error_type, news.error_message, news.traceback)), {},
                    news.state);
    case TaskState::revoked:
      return finish(std::make_exception_ptr(ClientError(
                        Errc::task_revoked, fmt::format("task {} was revoked: {}", id_, news.error_message))),
                    {}, news.state);
    default:
      break;
  }
  std::function<void(const task::Value&)> hear_progress;
  {
    std::lock_guard lock(mutex_);
    if (over_) return;
    state_ = news.state;
    if (news.state == TaskState::progress) {
      progress_ = news.result;
      hear_progress = hear_progress_;
    }
  }
  if (hear_progress) hear_progress(news.result);
}

void JobState::forget(std::chrono::milliseconds timeout, std::function<void(std::exception_ptr)> done) {
  auto told = [id = id_, done = std::move(done)](const results::Outcome<void>& outcome) {
    if (outcome) return done(nullptr);
    const bool late = outcome.error().kind == results::Failure::Kind::timed_out;
    done(std::make_exception_ptr(
        ClientError(late ? Errc::timed_out : Errc::disconnected,
                    fmt::format("the result of task {} may still be stored: {}", id, outcome.error().message))));
  };
  board_->forget_result(id_, std::chrono::steady_clock::now() + timeout, std::move(told));
}

std::vector<std::string> JobState::children() const {
  std::lock_guard lock(mutex_);
  return children_;
}

void JobState::close() {
  finish(closed_error(id_), {}, TaskState::pending);
}

void JobState::finish(std::exception_ptr error, task::Value result, TaskState state) {
  std::unordered_map<std::uint64_t, Waiter> waiters;
  {
    std::lock_guard lock(mutex_);
    if (over_) return;
    over_ = true;
    if (state != TaskState::pending) state_ = state;
    error_ = std::move(error);
    result_ = std::move(result);
    waiters.swap(waiters_);
    hear_progress_ = nullptr;
  }
  for (auto& [id, waiter] : waiters) {
    if (waiter.alarm != 0) board_->cancel(waiter.alarm);
    waiter.finished(error_, result_);
  }
}

std::shared_ptr<JobState> ResultBoard::add(const std::string& id, bool wants_result, JobState::ResumeOn resume_on) {
  auto job = std::make_shared<JobState>(shared_from_this(), id, wants_result, std::move(resume_on));
  if (!wants_result) return job;
  {
    std::lock_guard lock(mutex_);
    jobs_[id] = job;
  }
  if (stored_) stored_->watch(id);
  return job;
}

std::shared_ptr<JobState> ResultBoard::find_or_add(const std::string& id, JobState::ResumeOn resume_on) {
  {
    std::lock_guard lock(mutex_);
    if (const auto at = jobs_.find(id); at != jobs_.end()) {
      if (auto job = at->second.lock()) return job;
    }
  }
  return add(id, true, std::move(resume_on));
}

void ResultBoard::forget(const std::string& id) {
  {
    std::lock_guard lock(mutex_);
    // A job that took over the same id stays.
    const auto at = jobs_.find(id);
    if (at == jobs_.end() || !at->second.expired()) return;
    jobs_.erase(at);
  }
  if (stored_) stored_->unwatch(id);
}

void ResultBoard::forget_result(const std::string& id, Monotonic deadline, results::Done<> done) {
  if (!stored_) return done({});
  stored_->forget(id, deadline, std::move(done));
}

void ResultBoard::hear(const ResultNews& news) {
  std::shared_ptr<JobState> job;
  {
    std::lock_guard lock(mutex_);
    const auto at = jobs_.find(news.task_id);
    if (at == jobs_.end()) return;
    job = at->second.lock();
    if (news.state >= TaskState::success) jobs_.erase(at);
  }
  if (job) job->hear(news);
}

void ResultBoard::close() {
  std::unordered_map<std::string, std::weak_ptr<JobState>> jobs;
  std::shared_ptr<Alarms> alarms;
  {
    std::lock_guard lock(mutex_);
    jobs.swap(jobs_);
    alarms.swap(alarms_);
  }
  for (auto& [id, weak] : jobs) {
    if (auto job = weak.lock()) job->close();
  }
}

// Outside of the lock, because an alarm that goes may be the last to hold a job, which then comes to forget().
std::shared_ptr<Alarms> ResultBoard::alarms() {
  std::lock_guard lock(mutex_);
  return alarms_;
}

std::uint64_t ResultBoard::alarm(Monotonic when, std::function<void()> ring) {
  const auto all = alarms();
  return all ? all->set(when, std::move(ring)) : 0;
}

void ResultBoard::cancel(std::uint64_t alarm) {
  if (const auto all = alarms()) all->cancel(alarm);
}

}  // namespace sdk
}  // namespace wherry

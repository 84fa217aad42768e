// Job<R>: a task that was enqueued: its id, what is known of its state, and its result.
//
//   wherry::Job<EmailReceipt> job = client.enqueue(SendEmail{...});
//   job.on_progress([](const wherry::task::Value& meta) { ... });
//   EmailReceipt receipt = job.get(10s);
//
// Results come over the client's own reply queue (Celery's rpc:// backend): only the client that enqueued a task can
// read its result, and only while it lives. With a result backend that stores them (ClientOptions::result_backend) any
// client can, by the task's id: Client::job(). The result is kept in the job and may be read any number of times.
// Threads: any, at the same time. Lifetime: a job may outlive its client; what was not known by then ends as
// Errc::closed.
#pragma once

#include <chrono>
#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "protocol/task/convert.h"
#include "protocol/task/value.h"
#include "wherry/error.h"
#include "wherry/pending.h"

namespace wherry {

// As the worker last told. Workers need not report more than the last three; Celery calls progress whatever name the
// task gave it.
enum class TaskState { pending, received, started, progress, retry, success, failure, revoked };
std::string_view to_string(TaskState state);

namespace detail {

// The untyped part of a job; see sdk/client/job.h.
class JobCore {
 public:
  using Finished = std::function<void(std::exception_ptr error, const task::Value& result)>;
  virtual ~JobCore() = default;

  virtual const std::string& id() const = 0;
  virtual TaskState state() const = 0;
  virtual void on_progress(std::function<void(const task::Value&)> hear) = 0;
  // Calls finished once: with the result, the task's failure, or Errc::timed_out after timeout.
  virtual void await_result(std::chrono::milliseconds timeout, Finished finished) = 0;
  virtual void forget(std::chrono::milliseconds timeout, std::function<void(std::exception_ptr error)> done) = 0;
  virtual std::vector<std::string> children() const = 0;
  virtual std::function<void(std::function<void()>)> resume_on() const = 0;
};

// The result does not fit the type: throws Errc::bad_result with the task's id and the reason.
[[noreturn]] void throw_bad_result(const std::string& task_id, const std::string& reason);

}  // namespace detail

template <class R = void>
class Job {
 public:
  explicit Job(std::shared_ptr<detail::JobCore> core) : core_(std::move(core)) {}

  const std::string& id() const { return core_->id(); }
  TaskState state() const { return core_->state(); }
  bool finished() const { return state() >= TaskState::success; }

  // Blocks until the result is there. Throws TaskFailed when the task failed, ClientError with timed_out after timeout,
  // task_revoked, bad_result or closed; std::logic_error when the task was enqueued with ignore_result.
  R get(std::chrono::milliseconds timeout) const { return async_get(timeout).get(); }
  Pending<R> async_get(std::chrono::milliseconds timeout) const;

  // Hears each progress report (the meta the task gave) that comes from now on, on the client's own thread. hear must
  // be quick and must not block. The one that was set before is replaced; the last report so far is told at once.
  void on_progress(std::function<void(const task::Value&)> hear) { core_->on_progress(std::move(hear)); }

  // The ids of the tasks that were sent because this one succeeded: callbacks, the next of its chain, the members of a
  // group. Known with the result; empty before.
  std::vector<std::string> children() const { return core_->children(); }

  // Removes the result from where it is stored: nobody reads it there any more. What this job knows it keeps. Over a
  // reply queue there is nothing to remove. Throws ClientError with disconnected or timed_out when it may still be
  // there.
  void forget(std::chrono::milliseconds timeout) const { async_forget(timeout).get(); }
  Pending<> async_forget(std::chrono::milliseconds timeout) const {
    auto shared = std::make_shared<detail::Shared<void>>(core_->resume_on());
    core_->forget(timeout, [shared](std::exception_ptr error) { error ? shared->fail(error) : shared->settle({}); });
    return Pending<>(std::move(shared));
  }

 private:
  std::shared_ptr<detail::JobCore> core_;
};

// A task on its way to the broker: a Pending<Job<R>> that wants a name before it is awaited; see pending.h.
template <class R>
class [[nodiscard]] Sending : public Pending<Job<R>> {
 public:
  using Pending<Job<R>>::Pending;
  struct Awaiter {
    Pending<Job<R>>* pending;
    bool await_ready() const { return pending->await_ready(); }
    bool await_suspend(std::coroutine_handle<> waiting) { return pending->await_suspend(waiting); }
    Job<R> await_resume() { return pending->await_resume(); }
  };
  Awaiter operator co_await() & { return {this}; }
#if defined(__GNUC__) && !defined(__clang__)
  Awaiter operator co_await() && = delete;  // First: auto sent = client.async_enqueue(...); then: co_await sent
#else
  Awaiter operator co_await() && {
    return {this};
  }
#endif
};

template <class R>
Pending<R> Job<R>::async_get(std::chrono::milliseconds timeout) const {
  auto shared = std::make_shared<detail::Shared<R>>(core_->resume_on());
  core_->await_result(timeout, [shared, id = id()](std::exception_ptr error, const task::Value& result) {
    if (error) return shared->fail(error);
    if constexpr (std::is_void_v<R>) {
      shared->settle({});
    } else {
      auto converted = task::from_value<R>(result);
      if (converted) return shared->settle(std::move(*converted));
      try {
        detail::throw_bad_result(id, converted.error().message);
      } catch (...) {
        shared->fail(std::current_exception());
      }
    }
  });
  return Pending<R>(std::move(shared));
}

}  // namespace wherry

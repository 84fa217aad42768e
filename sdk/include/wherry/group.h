// GroupJob<Results>: a group that was enqueued: its jobs, and their results together.
//
//   auto job = client.enqueue(group(sig(fetch, a), sig(count, b)));   // GroupJob<std::tuple<std::string, int>>
//   auto [text, number] = job.get(30s);
//
// Threads: any, at the same time. Lifetime: as Job's.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "wherry/result.h"

namespace wherry {

namespace detail {

// Calls finished once: with all results in their order, or with the error that came first, at the latest after timeout.
void await_all(const std::vector<std::shared_ptr<JobCore>>& jobs, std::chrono::milliseconds timeout,
               std::function<void(std::exception_ptr error, const std::vector<task::Value>& results)> finished);

}  // namespace detail

template <class Results>
class GroupJob {
 public:
  GroupJob(std::string id, std::vector<std::shared_ptr<detail::JobCore>> jobs)
      : id_(std::move(id)), jobs_(std::move(jobs)) {}

  const std::string& id() const { return id_; }  // The group's.
  std::size_t size() const { return jobs_.size(); }
  // How many have ended, well or not.
  std::size_t completed() const {
    std::size_t count = 0;
    for (const auto& each : jobs_) count += each->state() >= TaskState::success;
    return count;
  }
  bool finished() const { return completed() == size(); }
  // One of them, by its place in the group. T: what it returns, or task::Value.
  template <class T = task::Value>
  Job<T> job(std::size_t place) const {
    return Job<T>(jobs_.at(place));
  }

  // Blocks until all results are there. Throws as Job::get(), as soon as one has failed.
  Results get(std::chrono::milliseconds timeout) const { return async_get(timeout).get(); }
  Pending<Results> async_get(std::chrono::milliseconds timeout) const;

 private:
  std::string id_;
  std::vector<std::shared_ptr<detail::JobCore>> jobs_;
};

template <class Results>
Pending<Results> GroupJob<Results>::async_get(std::chrono::milliseconds timeout) const {
  const auto resume_on = jobs_.empty() ? std::function<void(std::function<void()>)>() : jobs_.front()->resume_on();
  auto shared = std::make_shared<detail::Shared<Results>>(resume_on);
  detail::await_all(jobs_, timeout,
                    [shared, id = id_](std::exception_ptr error, const std::vector<task::Value>& results) {
                      if (error) return shared->fail(error);
                      auto converted = task::from_value<Results>(task::Value(results));
                      if (converted) return shared->settle(std::move(*converted));
                      try {
                        detail::throw_bad_result(id, converted.error().message);
                      } catch (...) {
                        shared->fail(std::current_exception());
                      }
                    });
  return Pending<Results>(std::move(shared));
}

// A workflow on its way to the broker: a Pending<Handle> that wants a name before it is awaited; see pending.h.
template <class Handle>
class [[nodiscard]] SendingWorkflow : public Pending<Handle> {
 public:
  using Pending<Handle>::Pending;
  struct Awaiter {
    Pending<Handle>* pending;
    bool await_ready() const { return pending->await_ready(); }
    bool await_suspend(std::coroutine_handle<> waiting) { return pending->await_suspend(waiting); }
    Handle await_resume() { return pending->await_resume(); }
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

}  // namespace wherry

// The tasks that this backend enqueued, and what became of them.
//
// A coroutine a task waits for its result and writes it down; nothing polls and no thread is blocked.
// Threads: any, at the same time. Memory: the last 10,000 tasks. Lifetime: a ledger must outlive the client whose jobs
// it watches.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>
#include <wherry/client.h>

#include "examples/backend/detached.h"
#include "examples/backend/json.h"

namespace examples {

class Ledger {
 public:
  using Clock = std::chrono::steady_clock;

  // Writes down that job, of the task called task, was asked for at that time, and watches it from now on. Gives back
  // what the web client is told: its task and id.
  template <class R>
  nlohmann::json watch(std::string task, Clock::time_point asked, const wherry::Job<R>& job) {
    const std::string id = job.id();
    add(id, std::move(task), asked);
    job_progress(job, id);
    await_result(*this, job, id);
    return entry(id).value();
  }
  // A task whose result nobody is told.
  nlohmann::json note(std::string task, Clock::time_point asked, const std::string& id);

  // id, task, state, latency_ms, and where there is one: progress, result, error. None for an unknown id.
  std::optional<nlohmann::json> entry(const std::string& id) const;
  nlohmann::json all() const;

 private:
  struct Entry {
    std::string task;
    std::string state = "PENDING";
    Clock::time_point asked;
    std::optional<Clock::time_point> finished;
    nlohmann::json details = nlohmann::json::object();
  };

  // By value: a coroutine's parameters must live as long as it does.
  template <class R>
  static Detached await_result(Ledger& ledger, wherry::Job<R> job, std::string id) {
    try {
      if constexpr (std::is_void_v<R>) {
        co_await job.async_get(std::chrono::hours(1));
        ledger.finish(id, "SUCCESS", {});
      } else {
        const R result = co_await job.async_get(std::chrono::hours(1));
        ledger.finish(id, "SUCCESS", {{"result", result}});
      }
    } catch (const wherry::ClientError& error) {
      ledger.finish(id, error.code() == wherry::Errc::task_revoked ? "REVOKED" : "FAILURE", {{"error", error.what()}});
    }
  }
  template <class R>
  void job_progress(wherry::Job<R> job, const std::string& id) {
    job.on_progress([this, id](const wherry::task::Value& meta) {
      if (const auto progress = wherry::task::from_value<SummaryProgress>(meta)) report(id, *progress);
    });
  }

  void add(const std::string& id, std::string task, Clock::time_point asked);
  void report(const std::string& id, const SummaryProgress& progress);
  void finish(const std::string& id, const std::string& state, nlohmann::json details);
  nlohmann::json describe(const std::string& id, const Entry& entry) const;

  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::deque<std::string> order_;
};

}  // namespace examples

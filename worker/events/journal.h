// Journal: what became of tasks, counted by name, and told as events to those who want them.
//
// Threads: one at a time; the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "protocol/task/envelope.h"
#include "worker/events/events.h"
#include "worker/metrics/tally.h"
#include "worker/runtime/messages.h"

namespace wherry::worker {

class Journal {
 public:
  // events: null when none are sent. tally: null when nobody reads it. Both outlive this.
  explicit Journal(Events* events, metrics::Tally* tally = nullptr) : events_(events), tally_(tally) {}

  bool wanted() const { return events_ != nullptr && events_->tasks_wanted(); }

  void received(const task::Task& task);
  void started(const task::Task& task);
  // Its function has ended, however; every task that ran is counted here, once.
  void ran(const task::Task& task);
  void succeeded(const task::Task& task, const task::Value& result, std::chrono::duration<double> runtime);
  void failed(const task::Task& task, const Failure& failure);
  void retried(const task::Task& task, const Failure& failure);
  // signal: 0 unless terminated.
  void revoked(const task::Task& task, bool terminated, int signal, bool expired);
  void rejected(const std::string& task_name, const std::string& task_id, bool requeue);

  // Tasks that ran to an end, by name.
  const std::map<std::string, std::uint64_t, std::less<>>& totals() const { return totals_; }
  std::uint64_t total() const { return total_; }

 private:
  Events* const events_;
  metrics::Tally* const tally_;
  std::map<std::string, std::uint64_t, std::less<>> totals_;
  std::uint64_t total_ = 0;
};

}  // namespace wherry::worker

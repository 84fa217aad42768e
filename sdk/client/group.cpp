#include "wherry/group.h"

#include <mutex>

namespace wherry::detail {

namespace {

// What has come of a group so far. The jobs' callbacks come from any thread.
class Joining {
 public:
  using Finished = std::function<void(std::exception_ptr, const std::vector<task::Value>&)>;
  Joining(std::size_t count, Finished finished) : results_(count), open_(count), finished_(std::move(finished)) {}

  void came(std::size_t place, std::exception_ptr error, const task::Value& result) {
    Finished finished;
    {
      std::lock_guard lock(mutex_);
      if (!finished_) return;  // One has failed before.
      if (!error) results_[place] = result;
      if (--open_ > 0 && !error) return;
      finished = std::exchange(finished_, nullptr);
    }
    finished(error, results_);
  }

 private:
  std::mutex mutex_;
  std::vector<task::Value> results_;
  std::size_t open_;
  Finished finished_;
};

}  // namespace

void await_all(const std::vector<std::shared_ptr<JobCore>>& jobs, std::chrono::milliseconds timeout,
               std::function<void(std::exception_ptr error, const std::vector<task::Value>& results)> finished) {
  if (jobs.empty()) return finished(nullptr, {});
  auto joining = std::make_shared<Joining>(jobs.size(), std::move(finished));
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    jobs[i]->await_result(timeout, [joining, i](std::exception_ptr error, const task::Value& result) {
      joining->came(i, error, result);
    });
  }
}

}  // namespace wherry::detail

// Outcomes: what a database's thread has to tell the loop: which jobs are finished, and which watched rows it saw.
//
// Threads: put() any; the rest, done and heard, the loop's. Lifetime: what was posted to the loop may come after it has
// gone, and does nothing then.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "net/event_loop.h"
#include "sdk/results/backend.h"
#include "sdk/results/task_row.h"

namespace wherry::results {

class Outcomes {
 public:
  struct Finished {
    std::function<void(std::optional<Failure>)> done;
    std::optional<Failure> failure;
  };
  Outcomes(net::EventLoop& loop, std::function<void(std::vector<TaskRow>)> heard);

  void put(std::vector<Finished> finished, std::vector<TaskRow> rows = {});
  // Nobody puts any more: tells what is left of the jobs, and nothing after that.
  void close();

 private:
  void tell();

  net::EventLoop& loop_;
  const std::function<void(std::vector<TaskRow>)> heard_;
  const std::shared_ptr<bool> open_ = std::make_shared<bool>(true);

  std::mutex mutex_;
  std::vector<Finished> finished_;
  std::vector<TaskRow> rows_;
};

}  // namespace wherry::results

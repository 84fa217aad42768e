// Steering: what remote control may see of a running worker and do to it. The runtime implements it; the panel of
// commands knows nothing else of the runtime.
//
// Threads: the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/task/value.h"
#include "wherry/registry.h"
#include "wherry/worker.h"
#include "worker/events/journal.h"
#include "worker/runtime/attempt.h"

namespace wherry::worker {

class Steering {
 public:
  // scheduled: waits for its eta. reserved: waits for a free slot or for its rate. active: its function runs.
  enum class Stage { scheduled, reserved, active };
  virtual void each_task(const std::function<void(const Attempt&, Stage)>& visit) const = 0;

  struct ConsumedQueue {
    std::string name;
    std::string exchange;
    std::string exchange_type = "direct";
    std::string routing_key;
  };
  virtual const std::vector<ConsumedQueue>& consumed() const = 0;
  virtual const WorkerOptions& options() const = 0;
  virtual const Registry& tasks() const = 0;
  virtual const Journal& journal() const = 0;
  virtual std::string rate_limit(std::string_view task) const = 0;  // As it was given; empty: none.
  virtual task::Value::Map pool_info() const = 0;                   // stats: what Celery says of its pool.
  virtual std::optional<task::Value> autoscaler_info() const = 0;
  virtual unsigned prefetch() const = 0;
  virtual task::Value::Map broker_info() const = 0;

  // What has not begun and whose id, or one of whose stamps, is revoked, is dropped now.
  virtual void drop_revoked() = 0;
  // Ends tasks that run: REVOKED at once, the function stopped as its pool can. Returns the ids of those that ran.
  virtual std::vector<std::string> terminate(const std::function<bool(const task::Task&)>& which, int signal) = 0;
  virtual Result<void> set_rate_limit(const std::string& task, std::string_view rate) = 0;
  using Limit = std::optional<std::chrono::milliseconds>;
  virtual void set_time_limits(const std::string& task, Limit soft, Limit hard) = 0;
  virtual Result<void> grow(int by) = 0;  // Negative: shrinks.
  virtual Result<std::pair<unsigned, unsigned>> autoscale(std::optional<unsigned> max, std::optional<unsigned> min) = 0;
  virtual Result<void> restart_pool() = 0;
  virtual void add_queue(ConsumedQueue queue) = 0;
  virtual void cancel_queue(const std::string& name) = 0;
  virtual void shut_down() = 0;  // Warm, as on SIGTERM.

 protected:
  ~Steering() = default;
};

}  // namespace wherry::worker

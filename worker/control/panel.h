// Panel: the commands of remote control by their names: what `celery inspect`, `celery control` and Flower send.
//
// Each takes a map of arguments and gives the answer's payload, or an error that is sent as {"error": text}, as
// Celery's workers do. A command that this panel does not know is such an error.
//
// Threads: one at a time; the loop's. Lifetime: what it is given outlives it. docs/control.md lists the commands.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "protocol/task/value.h"
#include "worker/control/clock.h"
#include "worker/control/revoked.h"
#include "worker/control/steering.h"
#include "worker/events/events.h"

namespace wherry::worker {

class Panel {
 public:
  Panel(Steering& worker, Events& events, Revoked& revoked, Clock& clock);

  Result<task::Value> call(std::string_view method, const task::Value::Map& arguments);
  // Whether it is not to be run: by its id, or by a stamp.
  bool is_revoked(const task::Task& task) const;

 private:
  using Arguments = task::Value::Map;
  using Method = Result<task::Value> (Panel::*)(const Arguments&);
  struct Entry {
    std::string_view name;
    Method method;
  };
  static const std::vector<Entry>& methods();

  Result<task::Value> ping(const Arguments&);
  Result<task::Value> stats(const Arguments&);
  Result<task::Value> active(const Arguments&);
  Result<task::Value> reserved(const Arguments&);
  Result<task::Value> scheduled(const Arguments&);
  Result<task::Value> registered(const Arguments&);
  Result<task::Value> revoked(const Arguments&);
  Result<task::Value> active_queues(const Arguments&);
  Result<task::Value> query_task(const Arguments&);
  Result<task::Value> conf(const Arguments&);
  Result<task::Value> report(const Arguments&);
  Result<task::Value> clock(const Arguments&);
  Result<task::Value> memsample(const Arguments&);
  Result<task::Value> memdump(const Arguments&);
  Result<task::Value> objgraph(const Arguments&);
  Result<task::Value> hello(const Arguments&);
  Result<task::Value> election(const Arguments&);

  Result<task::Value> revoke(const Arguments&);
  Result<task::Value> terminate(const Arguments&);
  Result<task::Value> revoke_by_stamps(const Arguments&);
  Result<task::Value> rate_limit(const Arguments&);
  Result<task::Value> time_limit(const Arguments&);
  Result<task::Value> pool_grow(const Arguments&);
  Result<task::Value> pool_shrink(const Arguments&);
  Result<task::Value> pool_restart(const Arguments&);
  Result<task::Value> autoscale(const Arguments&);
  Result<task::Value> add_consumer(const Arguments&);
  Result<task::Value> cancel_consumer(const Arguments&);
  Result<task::Value> enable_events(const Arguments&);
  Result<task::Value> disable_events(const Arguments&);
  Result<task::Value> heartbeat(const Arguments&);
  Result<task::Value> shutdown(const Arguments&);

  Result<task::Value> revoke_ids(const std::vector<std::string>& ids, bool terminate, const task::Value* signal);

  Steering& worker_;
  Events& events_;
  Revoked& revoked_;
  Clock& clock_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::vector<std::pair<std::string, task::Value>> revoked_stamps_;  // In memory only, as at Celery.
};

// "TERM", "SIGTERM", "sigterm" or 15. Errors: none of these.
Result<int> parse_signal(const task::Value& signal);

}  // namespace wherry::worker

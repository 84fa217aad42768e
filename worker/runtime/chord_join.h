// ChordJoin: what a task's end means to those who wait for it: its result is reported, and the chord it is part of
// told.
//
// The part that was the last sends the chord's body with all results in their order; when a part has failed, the body
// has failed instead, with a ChordError that names the part, its error callbacks are sent, and whatever would have come
// after it has failed too, also an outer chord whose part it was. Who was the last is said by the store of results,
// which counts (sdk/results/backend.h); nobody polls. Of a chord that failed the store keeps what its parts came to,
// until that expires. While the store is away it is asked again and again: the part is
// acknowledged only when it has been counted and, for the last, when the body is confirmed by the broker.
//
// Threads: the loop's. Lifetime: what is under way when it goes never calls done.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "protocol/task/envelope.h"
#include "protocol/task/result.h"
#include "sdk/results/backend.h"
#include "worker/runtime/continuation.h"

namespace wherry::worker {

class ChordJoin {
 public:
  // Reports a result, and calls then when it is safe.
  using ReportResult = std::function<void(const task::Task& task, task::ResultMeta meta, std::function<void()> then)>;
  // backend: null where no results are stored; then no chord is told of anything.
  ChordJoin(net::EventLoop& loop, Continuation& continuation, results::ResultBackend* backend, ReportResult report);
  ~ChordJoin();

  // safe: false when something that had to be sent could not be; then the task should be run again.
  using Done = std::function<void(bool safe)>;
  void end(const task::Task& task, task::ResultMeta meta, Done done);
  // All of them, at once.
  void end_all(std::vector<task::Task> tasks, const task::ResultMeta& meta, Done done);

 private:
  void part_returned(const task::Task& part, task::ResultMeta meta, Done done);
  void complete(const task::Task& part, results::ChordProgress progress, Done done);
  void call_body(const task::Task& part, const task::Signature& body, std::vector<task::ResultMeta> parts, Done done);
  void send_body(const task::Task& part, const task::Signature& body, task::Value::Array results, Done done);
  void fail_body(const task::Task& part, const task::Signature& body, const std::string& reason, Done done);
  void again(std::function<void()> work);
  Done forgetting(const task::Task& part, Done done);

  net::EventLoop& loop_;
  Continuation& continuation_;
  results::ResultBackend* const backend_;
  const ReportResult report_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // For callbacks that may come after it.
  std::map<std::uint64_t, std::unique_ptr<net::Timer>> waiting_;
  std::uint64_t last_wait_ = 0;
};

}  // namespace wherry::worker

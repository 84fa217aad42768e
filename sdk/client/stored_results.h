// StoredResults: the client's side of a result backend: what is stored of the tasks that somebody holds a job of
// becomes news on the client's board.
//
// Threads: watch(), unwatch(), forget() from any, also after close(), when they do nothing, and forget() says so; the
// rest on the loop's, or while it does not run. Lifetime: shared by the client and its board; close() before the loop
// goes.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "net/event_loop.h"
#include "protocol/task/result.h"
#include "sdk/results/backend.h"

namespace wherry::sdk {

class StoredResults {
 public:
  using Hear = std::function<void(const task::ResultMeta&)>;
  // hear: on the loop's thread, for each watched task.
  StoredResults(net::EventLoop& loop, std::unique_ptr<results::ResultBackend> backend, Hear hear);
  ~StoredResults();

  void watch(const std::string& task_id);
  void unwatch(const std::string& task_id);
  void forget(const std::string& task_id, Monotonic deadline, results::Done<> done);

  results::ResultBackend& backend() { return *backend_; }
  // From now on nothing is posted: what was must run before close().
  void seal();
  void close();

 private:
  bool post(std::function<void()> work);

  const Hear hear_;
  std::unique_ptr<results::ResultBackend> backend_;
  std::mutex mutex_;
  net::EventLoop* loop_;  // Null when sealed.
};

}  // namespace wherry::sdk

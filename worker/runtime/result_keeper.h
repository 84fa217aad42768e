// ResultKeeper: the worker's side of a result backend: results are stored until they are.
//
// How a task ended is asked to be stored again and again while the backend is away: the task is acknowledged only after
// it, so the worker comes to a halt, with as many tasks unsettled as its prefetch, instead of losing results or of
// running tasks once more. Reports on the way (STARTED, PROGRESS, RETRY) are tried once. What the backend refuses for
// good, a value that cannot be written, becomes a FAILURE that says so. Threads: the loop's. Lifetime: what is not
// stored when the keeper goes never calls done.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/event_loop.h"
#include "protocol/task/result.h"
#include "sdk/results/backend.h"

namespace wherry::worker {

class ResultKeeper {
 public:
  ResultKeeper(net::EventLoop& loop, std::unique_ptr<results::ResultBackend> backend);
  ~ResultKeeper();

  // done: it is stored, or it was a report, or never can be.
  void keep(task::ResultMeta meta, std::function<void()> done);
  results::ResultBackend& backend() { return *backend_; }

 private:
  struct Entry {
    task::ResultMeta meta;
    std::function<void()> done;
    std::unique_ptr<net::Timer> again = {};
    bool replaced = false;  // By the failure that says that it cannot be stored.
  };
  void store(std::uint64_t id);
  void stored(std::uint64_t id, const results::Outcome<void>& outcome);

  net::EventLoop& loop_;
  std::map<std::uint64_t, Entry> entries_;
  std::uint64_t last_ = 0;
  bool over_ = false;
  std::unique_ptr<results::ResultBackend> backend_;
};

}  // namespace wherry::worker

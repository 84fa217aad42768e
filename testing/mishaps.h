// Mishaps: what a test asked to befall which attempt.
//
// Threads: any. A mishap that has happened as often as it was asked for stays, and does nothing.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/runtime/drill.h"

namespace wherry::testing {

class Mishaps {
 public:
  // mishap befalls the attempt-th of that task from now on, and times - 1 after it.
  void add(std::string task, worker::Mishap mishap, std::string what, unsigned attempt, unsigned times);
  // The worker has got one of that task.
  std::optional<worker::Mishap> next(std::string_view task);
  // "crash of email.send: 0 of 1", one for each that has not happened.
  std::vector<std::string> outstanding() const;

 private:
  struct One {
    std::string task;
    worker::Mishap mishap;
    std::string what;
    unsigned attempt = 1;
    unsigned times = 1;
    unsigned seen = 0;
    unsigned happened = 0;
  };
  mutable std::mutex mutex_;
  std::vector<One> all_;
};

}  // namespace wherry::testing

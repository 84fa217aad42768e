// MachineWatch: what the process takes of the machine, as of a second ago at most. To count open files is milliseconds'
// work with ten thousand connections; all who ask in that second share it. Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>

namespace wherry::broker::admin {

struct Machine {
  std::uint64_t open_files = 0;
  std::uint64_t most_files = 0;
  std::uint64_t sockets = 0;
  std::uint64_t threads = 0;
};

class MachineWatch {
 public:
  Machine look(std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now());

 private:
  std::mutex mutex_;
  Machine last_;
  std::optional<std::chrono::steady_clock::time_point> looked_;
};

}  // namespace wherry::broker::admin

// ResourceWatch: looks at memory, disk space and the disk's answers while the broker runs, raises and clears the alarms
// that make publishers wait, and logs both with the figures and what to do.
//
// Memory: raised above the mark, cleared 5 % below; it counts as short from 70 % to 60 % of the mark. Disk: raised
// below the limit, cleared 5 % above. Looked at once a second at least, and the more often the nearer they are: before
// a limit that is that far away can be passed at 1 GiB/s. A sync that takes longer than stall_warning is logged once
// when that is noticed and once when it has ended; meanwhile Alarms::disk_stalled().
//
// Threads: look() one at a time; start() runs it on a thread of its own, never a shard's: a disk that hangs may hang
// it. Lifetime: the destructor joins the thread (and so waits for such a disk).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "broker/queueing/alarms.h"

namespace wherry::broker {

struct WatchConfig {
  std::uint64_t memory_mark = 0;               // Resident bytes; 0: publishers always wait.
  std::uint64_t disk_free_limit = 0;           // 0: not watched.
  std::string data_dir;                        // For the log.
  std::chrono::milliseconds stall_warning{0};  // 0: not watched.
};

// Where the figures come from.
struct WatchProbes {
  std::function<std::uint64_t()> resident;
  std::function<bool(std::uint64_t resident)> give_back;  // See give_back_memory().
  std::function<std::optional<std::uint64_t>()> disk_free;
  std::vector<std::function<std::optional<Monotonic>()>> syncs;  // Each shard's write under way, since when.
};

class ResourceWatch {
 public:
  ResourceWatch(WatchConfig config, WatchProbes probes, std::shared_ptr<Alarms> alarms);
  ~ResourceWatch();
  ResourceWatch(const ResourceWatch&) = delete;
  ResourceWatch& operator=(const ResourceWatch&) = delete;

  // Looks once; returns after what time to look again.
  std::chrono::milliseconds look(Monotonic now);
  // Looks at once, then again and again in the background.
  void start();

 private:
  std::chrono::milliseconds look_at_memory(Monotonic now);
  std::chrono::milliseconds look_at_disk();
  std::chrono::milliseconds look_at_syncs(Monotonic now);
  void run();

  const WatchConfig config_;
  const WatchProbes probes_;
  const std::shared_ptr<Alarms> alarms_;
  bool memory_low_ = false;    // The alarm stands.
  bool memory_short_ = false;  // Nobody waits yet.
  bool disk_low_ = false;
  bool disk_unknown_ = false;
  Monotonic gave_back_{};
  std::vector<std::optional<Monotonic>> stalled_;  // By shard: the sync that was said to take long.

  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace wherry::broker

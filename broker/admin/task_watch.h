// TaskWatch: listens to events of tasks and workers in all virtual hosts and remembers what they tell (broker/tasks).
//
//   watch.start();
//   watch.look("/", [](const tasks::Memory& memory) { ... });
//
// A shard hands an event's message over and goes on; reading it is done on a thread of this object's. What comes faster
// than it can be read is dropped and counted: at most most_waiting messages or most_waiting_bytes wait. Until start()
// nothing is heard, and it costs nothing.
// Threads: start() and the destructor one at a time, the others any; what look() is given holds a lock, and does not
// call back. Lifetime: the broker outlives it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "broker/shard/broker.h"
#include "broker/tasks/memory.h"

namespace wherry::broker::admin {

class TaskWatch {
 public:
  static constexpr std::size_t most_waiting = 16'384;
  static constexpr std::size_t most_waiting_bytes = 32u << 20;

  // bounds: of each virtual host.
  TaskWatch(Shared& shared, tasks::Bounds bounds) : shared_(shared), bounds_(bounds) {}
  ~TaskWatch();

  void start();
  bool watches() const { return thread_.joinable(); }

  struct Counts {
    std::uint64_t refused = 0;  // What was no event.
    std::uint64_t missed = 0;   // Messages that came too fast.
  };
  // look(memory, counts) of the virtual host; an empty memory where nothing was heard. Gives what look gives.
  template <class Look>
  auto look(std::string_view vhost, Look look) const {
    std::lock_guard lock(mutex_);
    const auto found = known_.find(vhost);
    if (found != known_.end()) return look(std::as_const(found->second->memory), found->second->counts);
    return look(tasks::Memory(bounds_), Counts{});
  }
  // What the broker itself has sent: as if its sender had told of it.
  void sent(const std::string& vhost, tasks::Event event);

 private:
  struct Known {
    explicit Known(tasks::Bounds bounds) : memory(bounds) {}
    tasks::Memory memory;
    Counts counts;
  };
  struct Waiting {
    std::string vhost;
    MessageRef message;
  };
  void hear(const std::string& vhost, const MessageRef& message);
  void work();
  void read(const Waiting& one);
  Known& known(const std::string& vhost);
  void forget_deleted();

  Shared& shared_;
  const tasks::Bounds bounds_;
  mutable std::mutex mutex_;  // Of what is known.
  std::map<std::string, std::unique_ptr<Known>, std::less<>> known_;
  std::mutex waiting_mutex_;  // Of the rest. Never held together with the other.
  std::condition_variable changed_;
  std::vector<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::map<std::string, std::uint64_t> missed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace wherry::broker::admin

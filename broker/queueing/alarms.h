// Alarms: what is short in this machine. While one is raised the broker takes no publishes; acks and deliveries go on,
// so that what is short is given back.
//
//   alarms->set(Alarm::store_full, true, shard);    // a shard's store found no room on its disk
//   alarms->set(Alarm::store_full, false, shard);   // and has some again
//
// Whoever raises an alarm clears it, and logs both: only it knows the figures. Threads: any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>

namespace wherry::broker {

enum class Alarm { memory, disk, store_full };

class Alarms {
 public:
  // by: which of several that may raise the same alarm (a shard's number). It stands until each has cleared it.
  void set(Alarm alarm, bool raised, unsigned by = 0);

  bool raised(Alarm alarm) const;
  // RabbitMQ's words to its clients: "low on memory", "low on disk", "low on memory & disk"; empty when all is well.
  std::string reason() const;

  // Memory is getting short: nobody waits yet, but queues move to the disk what they can.
  void set_memory_short(bool is);
  bool memory_short() const { return memory_short_.load(std::memory_order_relaxed); }

  // A write to the disk takes long (by: of which shard). Nobody is told to wait: confirms wait by themselves.
  void set_disk_stalled(bool is, unsigned by);
  bool disk_stalled() const;
  std::uint64_t disk_stalls() const;  // How often that has begun.

  // Called on the thread of the setter when reason() or memory_short() has changed; must not call back. An empty one
  // ends that: none comes after the call.
  void on_change(std::function<void(const std::string& reason)> changed);

 private:
  std::string reason_now() const;

  mutable std::mutex mutex_;
  std::array<std::set<unsigned>, 3> raised_;  // By alarm: who raised it.
  std::atomic<bool> memory_short_{false};
  std::set<unsigned> stalled_;  // Shards.
  std::uint64_t stalls_ = 0;
  std::function<void(const std::string&)> changed_;
};

}  // namespace wherry::broker

// PublisherGate: whether a shard takes publishes. It closes while an alarm is raised (memory, disk), while more waits
// for this shard's disk than it should, and while another shard's does. A session that meets it closed at a publish
// stops reading its client, whatever that client does besides; those that publish nothing go on.
//
// The disk's part opens again only below half of its limit, so that a gate does not flutter. Threads: its shard's; but
// behind() any.
#pragma once

#include <atomic>
#include <string>

namespace wherry::broker {

class PublisherGate {
 public:
  // most_waiting: bytes that may wait for the disk.
  explicit PublisherGate(std::size_t most_waiting) : most_waiting_(most_waiting) {}

  bool open() const { return open_; }
  // What clients are told (Alarms::reason()); empty while no alarm is raised.
  const std::string& alarm() const { return alarm_; }
  // This shard's disk is behind: for the others, whose publishers may write to it.
  bool behind() const { return behind_.load(std::memory_order_relaxed); }
  // Closed for a disk that is behind: worth looking again soon.
  bool waits_for_disk() const { return behind() || others_behind_; }

  // Each returns whether open() or alarm() has changed.
  bool set_waiting(std::size_t bytes);
  bool set_others_behind(bool behind);
  bool set_alarm(std::string reason);

 private:
  bool decide();

  const std::size_t most_waiting_;
  std::atomic<bool> behind_{false};
  bool others_behind_ = false;
  std::string alarm_;
  bool open_ = true;
};

}  // namespace wherry::broker

// What the schedule has done in the background: writing a sorted list of messages to a run, merging runs, removing
// them.
//
// Each is a plain object whose step runs on the background thread and whose results are read on the shard's thread
// afterwards (schedule_background.cpp). Errors: DiskErrors; what was half written is removed. Threads:
// one at a time each. Lifetime: the Vfs outlives them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/queueing/message_store.h"
#include "broker/store/schedule_drops.h"
#include "broker/store/schedule_run.h"

namespace wherry::broker {

// A scheduled message in memory.
struct ScheduleEntry {
  ScheduleKey key;
  Lsn lsn = 0;                         // Of its record; 0 when it has none.
  const std::string* vhost = nullptr;  // Lives as long as the schedule.
  MessageRef message;
  QueueId queue = 0;  // That it is held for; 0: the exchange says where it goes.

  std::size_t memory_bytes() const { return sizeof(ScheduleEntry) + message->footprint(); }
};
using ScheduleEntries = std::vector<ScheduleEntry>;

// Writes entries, sorted by key, to a run.
DiskResult<RunFile> write_run(Vfs& disk, const std::string& folder, RunHeader header, const ScheduleEntries& entries);

class RunMerge {
 public:
  // Of what the inputs hold behind the key, without what is dropped. The header names the inputs.
  RunMerge(Vfs& disk, std::string folder, RunHeader header, std::vector<RunFile> inputs, ScheduleKey behind,
           ScheduleDrops drops);
  // A part of the work; true when it is done. The first call opens the inputs.
  DiskResult<bool> step(std::uint64_t bytes);
  void abandon();

  // When it is done: nothing when no message was left.
  const std::optional<RunFile>& made() const { return made_; }
  const std::vector<RunFile>& inputs() const { return inputs_; }
  // Found on the way, and not reported yet: the damaged inputs are to be kept aside.
  const std::vector<ScheduleDamage>& damage() const { return damage_; }

 private:
  RunCursor* next();

  Vfs& disk_;
  const std::string folder_;
  const RunHeader header_;
  const std::vector<RunFile> inputs_;
  const ScheduleKey behind_;
  const ScheduleDrops drops_;
  std::vector<std::unique_ptr<RunCursor>> cursors_;
  std::unique_ptr<RunWriter> writer_;
  std::optional<RunFile> made_;
  std::vector<ScheduleDamage> damage_;
};

struct RunRemoval {
  std::string path;
  bool keep_aside = false;  // Damaged: renamed instead, to be looked at.
  std::uint64_t first_sequence = 0;
};
DiskResult<void> remove_runs(Vfs& disk, const std::string& folder, const std::vector<RunRemoval>& runs);

}  // namespace wherry::broker

// Repair of a shard whose check found damage: copies of the damaged ranges, then new files without them.
//
//   ShardCheck check(disk, "DATA/shard-0");  check.read(...);
//   auto outcome = repair_shard(disk, check, {});
//
// Segments: the live messages of the damaged ones are written to a new segment, which names those it replaces; then
// these go. Log: the broker's own store is opened with a budget of nothing, so that every old file retires into a
// segment. Runs of the schedule: as segments. Killed, or without power, at any moment: what is whole is in the old
// files or in the new ones, and a repair can be begun again.
//
// What is lost is in the check's findings, and nothing else is: what cannot be copied aside is not touched. Blocks;
// memory: the live messages of the log, and a page. Threads: one. Errors: a DiskError; what was done until then stays.
// Precondition: no broker uses the folder.
#pragma once

#include "broker/ctl/check_shard.h"

namespace wherry::broker {

struct RepairOptions {
  std::function<std::uint64_t()> random = {};  // Ids of files; the system's when empty.
  OnRead on_written = [](std::uint64_t) {};
};

struct RepairOutcome {
  std::vector<std::string> copies;    // Files in quarantine/.
  std::vector<std::string> replaced;  // Files that are gone.
  std::uint64_t moved = 0;            // Messages written anew from segments.
};
DiskResult<RepairOutcome> repair_shard(Vfs& disk, ShardCheck& check, const RepairOptions& options);

// All of the bytes [begin, end) of a file to FOLDER/NAME-BEGIN, as the broker names them; the path. Durable when it
// returns. A copy of that name is replaced.
DiskResult<std::string> copy_aside(Vfs& disk, const std::string& folder, const std::string& file, std::uint64_t begin,
                                   std::uint64_t end);

}  // namespace wherry::broker

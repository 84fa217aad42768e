// Stats: how much of what a shard holds: for each queue, as a restart would count it, and for each file.
//
//   auto stats = stats_of(*read_shard(disk, "DATA/shard-0"));
//
// Reads the pages of which a part is settled, and the first of each queue; blocks. Threads: one. Errors: DiskError.
#pragma once

#include "broker/ctl/shards.h"

namespace wherry::broker {

struct QueueStats {
  QueueId queue = 0;
  std::uint64_t messages = 0;
  std::uint64_t body_bytes = 0;
  std::uint64_t in_log = 0;
  std::uint64_t in_segments = 0;
  std::uint64_t oldest_ms = 0;  // When its first message was published; 0 when it is empty.
};

struct FileStats {
  std::string file;
  std::uint64_t size_bytes = 0;
  std::uint64_t live = 0;        // Messages; one that went to ten queues counts once in the log.
  std::uint64_t live_bytes = 0;  // Of theirs; the rest is settled, was moved, or is not written yet.
};

struct ShardStats {
  std::vector<QueueStats> queues;  // By id; without those that hold nothing.
  std::vector<FileStats> files;
  std::uint64_t unreadable = 0;  // Messages that were met damaged.
};
DiskResult<ShardStats> stats_of(ShardContents& shard);

}  // namespace wherry::broker

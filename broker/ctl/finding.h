// Finding: a damaged range of a file, and what it means: which messages are lost, or that none is.
//
//   puts(describe(finding, names).c_str());   // "3 messages of queue 'jobs' in '/' are lost: positions 7, 9 to 10"
//
// Threads: plain data and functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "broker/ctl/queue_names.h"
#include "broker/queueing/message_store.h"

namespace wherry::broker {

// Positions of one queue, growing.
struct QueuePositions {
  QueueId queue = 0;
  std::vector<Position> positions;
};

struct Finding {
  enum class Part { log, segment, schedule, definitions };
  Part part = Part::segment;
  std::string file;
  std::uint64_t begin = 0;  // Bytes [begin, end) of the file; 0 and 0: the file as a whole.
  std::uint64_t end = 0;
  std::vector<QueuePositions> lost;    // Messages that a restart would have brought back.
  std::vector<QueuePositions> in_log;  // The same, but for a copy in the log, from which a repair takes them.
  std::uint64_t settled = 0;           // Damaged, but settled before: nothing is lost with them.
  std::uint64_t first_lsn = 1;         // Records of the log that are lost: first_lsn to last_lsn.
  std::uint64_t last_lsn = 0;
  bool unknown = false;  // Messages are lost, or may be, and nothing says which.
  std::string note;      // What was hit.

  std::uint64_t records() const { return last_lsn < first_lsn ? 0 : last_lsn - first_lsn + 1; }
  std::uint64_t messages() const;
  bool harmless() const { return part != Part::definitions && lost.empty() && records() == 0 && !unknown; }
};

const char* name_of(Finding::Part part);
// "7, 9 to 10"
std::string ranges_of(const std::vector<Position>& positions);
// What it means, without file and range.
std::string describe(const Finding& finding, const QueueNames& names);

}  // namespace wherry::broker

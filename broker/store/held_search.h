// HeldSearch: reads in runs what is held for queues, in the order of their keys: to count it, to list it, or to find a
// message by its name.
//
// One step at a time on a background thread; the results are read on the shard's afterwards. Damage is passed over
// here: it is reported when its time comes. Memory: 64 KiB for each run, and what is found. Lifetime: the Vfs outlives
// it, and the files stay until it is done.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/store/schedule_drops.h"
#include "broker/store/schedule_run.h"

namespace wherry::broker {

struct HeldQuery {
  QueueId queue = 0;  // 0: counts all queues' messages.
  std::optional<std::string> name = {};
  std::size_t limit = SIZE_MAX;

  // Adds it to `found` when it is meant.
  void consider(ScheduleKey key, QueueId held_for, std::string_view properties, std::uint64_t body_bytes,
                bool persistent, std::vector<HeldMessage>& found) const;
};

class HeldSearch {
 public:
  // Of what the inputs hold behind the key, without what is dropped.
  HeldSearch(Vfs& disk, HeldQuery query, std::vector<RunFile> inputs, ScheduleKey behind, ScheduleDrops drops);
  // A part of the work; true when it is done. The first call opens the inputs.
  bool step(std::uint64_t bytes);

  const HeldQuery& query() const { return query_; }
  const std::map<QueueId, std::uint64_t>& counts() const { return counts_; }
  std::vector<HeldMessage>& found() { return found_; }

 private:
  Vfs& disk_;
  const HeldQuery query_;
  std::vector<RunFile> inputs_;
  ScheduleKey behind_;
  const ScheduleDrops drops_;
  std::vector<std::unique_ptr<RunCursor>> cursors_;
  std::map<QueueId, std::uint64_t> counts_;
  std::vector<HeldMessage> found_;
};

}  // namespace wherry::broker

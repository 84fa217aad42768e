// Schedule: the DelayStore on the disk. Ten million messages that wait for their time take disk, not memory, and
// survive what a confirm promises to survive. docs/schedule-format.md is the format, and says why.
//
//   auto schedule = Schedule::open(disk, log, {.folder = "shard-0/delays"}, events);
//   for each old record of the log: (*schedule)->replay(type, lsn, payload);
//   (*schedule)->recovered();
//
//   const Lsn lsn = schedule.add(vhost, message, due_ms, Durability::sync);   // see delay_store.h
//   ... whenever the log's durable() has moved: schedule.tidy();
//   ... before a log file goes: if (schedule.release_up_to(its last lsn)) it may.
//
// Order: by due time, then as they came. One watermark says what has fired: every key up to it. A message that would be
// due before what was taken last (a clock set back) is due at once. At least once: what was taken and not reported as
// fired(), durably, is taken again after a crash.
//
// Memory: what was added since the last run (memtable_bytes, in a burst a few times that until the disk has followed),
// a few hundred bytes for each run, 64 KiB for each whose next message is less than a second away. A message without
// a record in the log (not persistent) is kept as long as the process lives, and longer when it has reached a run.
// Eight bytes and a node of a map count for each queue that something is held for.
// Blocking: take_due() reads runs; the rest of what the disk does is in background jobs: at most one of each kind,
// flush, merge, removal and search, at a time. Errors: after events.failed nothing is written any more, and the owner
// stops the process; a full disk is no such error: it is tried again, by the next call after retry_after. Damage is
// reported and passed over; a damaged file is renamed to FILE.damaged when it is needed no more. Threads: the shard's.
// Lifetime: the Vfs, the log and the events' targets outlive it.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <set>
#include <unordered_map>

#include "broker/store/held_search.h"
#include "broker/store/schedule_jobs.h"

namespace wherry::broker {

enum class ScheduleRecord { scheduled, fired, dropped, withdrawn };

// The shard's log, as the schedule sees it.
class ScheduleLog {
 public:
  virtual ~ScheduleLog() = default;
  // The durability is that of the message, of a record that says of one what was promised; none for the others.
  virtual Lsn append(ScheduleRecord type, std::string_view payload, Durability durability) = 0;
  // Everything up to here survives a power cut.
  virtual Lsn durable() const = 0;
};

class Schedule final : public DelayStore {
 public:
  struct Options {
    std::string folder = {};  // Must exist.
    std::size_t memtable_bytes = std::size_t{16} << 20;
    std::size_t max_runs = 32;  // More are merged.
    std::size_t turn_messages = 1000;
    std::size_t turn_bytes = std::size_t{4} << 20;
    std::uint64_t merge_step_bytes = std::uint64_t{8} << 20;
    std::chrono::milliseconds retry_after{1000};  // When the disk was full.
    std::function<std::uint64_t()> random = {};   // Ids of runs; the system's when empty.
  };
  struct Events {
    // Has job() run on another thread, in any order, and then finished() on the shard's. Returns at once: neither is
    // called inside. A job is bounded. All jobs end, or are dropped, before the schedule goes.
    std::function<void(std::function<void()> job, std::function<void()> finished)> start;
    ReportScheduleDamage damaged;
    std::function<void(const DiskError&)> failed;
  };

  static DiskResult<std::unique_ptr<Schedule>> open(Vfs& disk, ScheduleLog& log, Options options, Events events);

  // Records in the order of the log. False when the payload is none.
  bool replay(ScheduleRecord type, Lsn lsn, std::string_view payload);
  // A record of another kind says that what was held under the key is in its queue.
  void replay_released(Lsn lsn, QueueId queue, ScheduleKey key);
  // Once, after the last of them, when all of them are durable.
  void recovered();

  Lsn add(std::string_view vhost, MessageRef message, std::uint64_t due_ms, Durability durability) override;
  void drop(std::string_view vhost, std::string_view exchange) override;
  Lsn hold(QueueId queue, MessageRef message, std::uint64_t due_ms, Durability durability) override;
  std::uint64_t held(QueueId queue) const override;
  void list_held(QueueId queue, ScheduleKey after, std::size_t limit, std::function<void(HeldPage)> reply) override;
  void cancel_held(QueueId queue, std::string name, std::function<void(std::vector<HeldMessage>, Lsn)> reply) override;
  std::uint64_t drop_held(QueueId queue) override;
  std::optional<std::uint64_t> next_wake() const override;
  bool take_due(std::uint64_t now_ms, std::vector<Due>& into) override;
  void fired(ScheduleKey up_to) override;
  void browse(const std::function<void(const Due&)>& visit) const override;
  std::uint64_t size() const override;

  void tidy();
  // Whether no record up to the lsn is needed; if not, what it takes has begun: ask again when a job has finished or
  // the log's durable() has moved. Records that had to be written anew must be durable before a file goes.
  bool release_up_to(Lsn lsn);
  // The same, and nothing is begun or written.
  bool needs_up_to(Lsn lsn) const;

  std::size_t memory_bytes() const;
  std::size_t runs() const { return runs_.size(); }

 private:
  // Messages that are on their way to a run: sorted, unchanged, and fired from here meanwhile.
  struct Frozen {
    std::shared_ptr<const ScheduleEntries> entries;
    std::size_t next = 0;
    std::size_t bytes = 0;
    Lsn first_lsn = 0;
    std::uint64_t first_sequence = 0;
    std::uint64_t last_sequence = 0;
    bool holds = false;  // Messages for queues are among them.
    bool at_end() const { return next == entries->size(); }
  };
  struct Run {
    RunCursor cursor;
    bool read_ahead = false;  // Its next message is in the window, as far as the disk could read it.
    bool merging = false;
  };
  struct Source {
    ScheduleKey key;
    std::size_t frozen = 0;  // One more than its index; with neither it is in memory_.
    std::size_t run = 0;
  };

  Schedule(Vfs& disk, ScheduleLog& log, Options options, Events events)
      : disk_(disk), log_(log), options_(std::move(options)), events_(std::move(events)) {}
  DiskResult<void> open_runs();
  const std::string* interned(std::string_view vhost);
  Lsn enter(std::string_view vhost, MessageRef message, std::uint64_t due_ms, Durability durability, QueueId queue);
  void remember(ScheduleEntry entry);
  std::optional<Source> next_source() const;
  std::optional<Due> take(const Source& from);
  void read_ahead(std::uint64_t now_ms);
  void freeze();
  void add_run(RunFile file);
  ScheduleEntries forget(const std::function<bool(const ScheduleEntry&)>& which);
  void doom(ScheduleEntries entries, Lsn drop_lsn);
  RunHeader next_header(std::uint64_t first_sequence, std::uint64_t last_sequence);
  bool needs_drop(std::uint64_t sequence) const;
  void log_watermark();

  // --- schedule_holds.cpp ---
  struct Search {
    HeldQuery query;
    ScheduleKey after;
    std::function<void(HeldSearch&)> finished;
  };
  void count_held(QueueId queue, std::int64_t by);
  void count_runs();
  void search(Search what);
  void next_search();
  void step_search();
  void finish_search();
  std::vector<HeldMessage> withdraw(QueueId queue, std::vector<HeldMessage> found, Lsn& lsn);

  // --- schedule_background.cpp ---
  void start_jobs();
  void flush_oldest();
  void merge_smallest();
  void step_merge(std::shared_ptr<RunMerge> merge);
  void merged(RunMerge& merge);
  void remove_passed();
  bool answered(const DiskError& error);

  Vfs& disk_;
  ScheduleLog& log_;
  const Options options_;
  const Events events_;

  std::set<std::string, std::less<>> vhosts_;
  ScheduleEntries memory_;  // A heap, the least key first.
  std::size_t entries_bytes_ = 0;
  Lsn oldest_lsn_ = 0;  // No record of memory_ is older.
  // Taken from memory_, and not durably fired: a run that is begun now must still hold them.
  std::deque<ScheduleEntry> under_way_;
  // Likewise: dropped, by a record that is not durable yet.
  struct Doomed {
    ScheduleEntry entry;
    Lsn drop_lsn = 0;
  };
  std::deque<Doomed> doomed_;
  std::deque<Frozen> frozen_;  // Oldest first.
  std::vector<std::unique_ptr<Run>> runs_;
  std::vector<RunRemoval> removing_;
  std::size_t removing_now_ = 0;  // How many of them a job has.
  ScheduleDrops drops_;

  std::uint64_t next_sequence_ = 1;
  std::uint64_t flushed_sequence_ = 0;  // These were in runs when it was opened.
  // That something was scheduled through since: a deleted exchange that is none of them concerns nobody.
  std::set<std::string, std::less<>> exchanges_;
  std::string last_exchange_;
  std::uint64_t next_number_ = 1;
  ScheduleKey taken_;
  ScheduleKey fired_;  // In the log.
  ScheduleKey fired_durably_;
  Lsn fired_lsn_ = 0;
  struct Fired {
    ScheduleKey key;
    Lsn lsn = 0;
  };
  std::deque<Fired> fired_waiting_;
  ScheduleKey given_;      // Of the last message that take_due() gave.
  bool must_log_ = false;  // Of what was taken since, something would be there after a restart.

  std::unordered_map<QueueId, std::int64_t> held_;  // How many, where there are any.
  bool counted_ = true;                             // What was in runs when it was opened is among them.
  std::set<QueueId> dropped_uncounted_;             // Dropped as a whole meanwhile.
  std::deque<Search> searches_;                     // The first one is under way when there is a search_.
  std::shared_ptr<HeldSearch> search_;

  bool flushing_ = false;
  bool merging_ = false;
  bool failed_ = false;
  std::optional<std::chrono::steady_clock::time_point> retry_at_;
  std::string payload_;
};

}  // namespace wherry::broker

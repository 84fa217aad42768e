// DiskStore: the messages of a shard's queues on the disk: a log, and segments for what outlives its log file.
// docs/store-format.md is the format and says why.
//
//   auto store = DiskStore::open(disk, {.folder = "shard-0"}, {.post = ..., .failed = ...});
//   (*store)->recover(queue, ...); (*store)->recovered_all();
//   Lsn lsn = (*store)->append(queue, 1, message, Durability::sync); (*store)->commit();
//
// A message stays in memory until it is settled or is in a segment; then load() reads it. Memory: at most
// memory_budget_bytes of such messages (more while the disk is slower than what comes: see waiting_bytes()), what the
// caller holds, and 80 bytes for a page of up to 128 messages. Disk: log_budget_bytes, and less than twice what is
// alive and 64 MiB.
//
// Threads: the owner's; three of its own write the log, segments and delayed messages. open(), load() and recover()
// block on the disk. Errors: open() refuses what it cannot read, and changes nothing then; damage is reported to the
// program's log, copied to quarantine/, and confined to its record. A failure while running is told to Owner::failed,
// once: stop the process. A full disk is told to Owner::full and waited for. Lifetime: the Vfs outlives it; the
// destructor commits, waits for the disk and closes the log.
//
// Files: disk_store.cpp (what queues ask), disk_store_recovery.cpp, disk_store_retire.cpp (from the log to segments,
// and from sparse segments to new ones), disk_store_delays.cpp (delayed messages, see schedule.h).
#pragma once

#include "broker/queueing/message_store.h"
#include "broker/store/background.h"
#include "broker/store/log_writer.h"
#include "broker/store/schedule.h"
#include "broker/store/store_contents.h"

namespace wherry::broker {

class DiskStore final : public MessageStore, private StoreContents {
 public:
  struct Options {
    std::string folder;  // Its parent must exist.
    std::uint64_t log_file_bytes = std::uint64_t{16} << 20;
    std::uint64_t log_budget_bytes = std::uint64_t{128} << 20;
    std::uint64_t memory_budget_bytes = std::uint64_t{24} << 20;
    std::uint64_t dead_bytes_allowed = std::uint64_t{64} << 20;  // Beside as many as are alive.
    std::size_t spare_files = 1;
    bool threads = true;                         // False: work_log() and work_segments() do the work.
    std::function<std::uint64_t()> random = {};  // Ids of files; the system's when empty.
  };
  struct Owner {
    Background::Post post;                         // Runs it on the owner's thread, soon.
    std::function<void(const DiskError&)> failed;  // On the owner's thread.
    std::function<void(bool)> full = [](bool) {};  // The disk is full; it is not any more. On the owner's thread.
  };
  static DiskResult<std::unique_ptr<DiskStore>> open(Vfs& disk, Options options, Owner owner);
  ~DiskStore() override;

  // What open() and load() found damaged, so far.
  std::uint64_t damaged() const { return damaged_; }

  Lsn append(QueueId queue, Position at, const MessageRef& message, Durability durability) override;
  Lsn append_released(QueueId queue, Position at, const MessageRef& message, Durability durability,
                      const ScheduleKey& from) override;
  void settle(QueueId queue, Position at) override;
  void settle_range(QueueId queue, Position first, Position end) override;
  void attempted(QueueId queue, Position at, std::uint32_t delivery_count) override;
  void drop(QueueId queue) override;
  Lsn note(QueueId queue, std::string_view text, Durability durability) override;
  void recover_notes(QueueId queue, const std::function<void(Lsn, std::string_view)>& each) override;
  void on_renew_notes(RenewNotes renew) override { renew_notes_ = std::move(renew); }
  void load(QueueId queue, Position at, const std::function<void(const Loaded&)>& each) override;
  void spill(QueueId queue, std::vector<Loaded> messages) override;
  ChunkBits kept_in(QueueId queue, std::uint64_t chunk) override;
  void on_kept(OnKept kept) override { kept_ = std::move(kept); }
  Position recover(QueueId queue, const std::function<void(const Loaded&)>& message,
                   const std::function<void(const Page&)>& page) override;
  void recovered_all() override;
  DelayStore& delays() override { return *schedule_; }
  void commit() override;
  Lsn durable() const override { return durable_; }
  void on_durable(std::function<void()> moved) override { moved_ = std::move(moved); }
  std::size_t waiting_bytes() const override;

  std::optional<Monotonic> sync_began() const override { return writer_->sync_began(); }

  struct Stats {
    std::uint64_t log_bytes = 0;
    std::uint64_t segments = 0;
    std::uint64_t segment_bytes = 0;
    std::uint64_t messages_in_segments = 0;  // Live ones.
    std::uint64_t memory_bytes = 0;          // Of messages not in a segment yet.
  };
  Stats stats() const;

  // Without threads: one round of the log's thread or of the one that writes segments; false: there was nothing to do.
  bool work_log() { return writer_->work(); }
  bool work_segments() { return background_->work(); }
  bool work_delays() { return delay_background_->work(); }

 private:
  // Messages on their way from the log, or from other segments, to a new one.
  struct Move;

  DiskStore(Vfs& disk, Options options, Owner owner);
  std::string delay_folder() const { return options_.folder + "/delays"; }
  std::uint64_t random();

  // --- records ---
  void close_publish();
  void write_settled(QueueId queue, KeptQueue& kept);
  void note_settled(QueueId queue, KeptQueue& kept, Position first, Position end);
  void log_page(QueueId queue, KeptPage& page);

  // --- delayed messages ---
  class DelayLog final : public ScheduleLog {
   public:
    explicit DelayLog(DiskStore& store) : store_(store) {}
    Lsn append(ScheduleRecord type, std::string_view payload, Durability durability) override;
    Lsn durable() const override { return store_.progress_.synced_lsn; }

   private:
    DiskStore& store_;
  };
  DiskResult<void> open_schedule();
  void next_delay_job();

  // --- recovery ---
  DiskResult<void> open_segments();
  DiskResult<void> open_log();
  bool replay_delays(const LogRecord& record) override;
  void replay_released(Lsn lsn, QueueId queue, const ScheduleKey& key) override;
  void report(const std::string& file, std::uint64_t begin, std::uint64_t end, const std::string& what);
  void count_again(QueueId queue, KeptPage& page);

  // --- the log's progress, and what follows from it ---
  void on_progress();
  void maintain();
  void begin_next_move();
  void retire_oldest(Lsn last);
  void carry_on(Lsn last);  // What only the log's files up to that record say is said again.
  bool nothing_to_carry(Lsn last) const;
  bool rewrite_sparse();
  std::shared_ptr<Move> collect(Lsn last);
  void start_move(std::shared_ptr<Move> move);
  void finish_move(Move& move);
  void finish_retired(Move& move, KeptSegment& segment, const std::vector<PageInfo>& pages);
  void finish_spilled(KeptSegment& segment, const std::vector<PageInfo>& pages);
  void tell_kept(const KeptSegment& segment, const std::vector<PageInfo>& pages);
  void finish_rewritten(Move& move, KeptSegment& segment, const std::vector<PageInfo>& pages);
  void drop_dead_segments();
  void forget_segment(std::uint64_t sequence);
  void remove_files();
  void make_free_room();
  void set_full(bool full);  // The log's disk.
  void set_segments_full(bool full);

  const Options options_;
  const Owner owner_;
  std::uint64_t damaged_ = 0;

  struct Doomed {
    std::uint64_t sequence = 0;
    std::string path;
    bool replaced = false;  // By a segment that must not go before it.
  };
  std::vector<Doomed> doomed_;  // Files to remove, in this order.

  // The publish that is being written: calls with the same message add places to it.
  MessageRef open_message_;
  std::vector<Place> open_places_;
  std::optional<ScheduleKey> open_released_;
  bool open_sync_ = false;
  std::vector<SegmentEntry> spilling_;   // Transient messages on their way to a segment.
  std::vector<QueueId> settled_queues_;  // With settles that are not in the log yet.
  std::string payload_;

  Lsn durable_ = 0;
  LogWriter::Progress progress_;
  Lsn retiring_ = 0;        // Up to here files were told to retire.
  Lsn may_go_at_once_ = 0;  // The last that was, where nothing had to be said again before.
  bool failed_ = false;
  bool log_full_ = false;
  bool segments_full_ = false;
  Monotonic try_segments_at_ = {};
  std::unordered_map<QueueId, Lsn> noted_;  // Of queues with notes: none is in an older record.
  RenewNotes renew_notes_;
  OnKept kept_;
  std::function<void()> moved_;

  std::atomic<bool> progress_posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<Background> background_;

  DelayLog delay_log_{*this};
  std::unique_ptr<Schedule> schedule_;
  std::deque<std::pair<std::function<void()>, std::function<void()>>> delay_jobs_;
  std::unique_ptr<Background> delay_background_;
};

}  // namespace wherry::broker

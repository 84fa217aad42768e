// LogWriter: group commit. Records are collected without a lock on the owner's thread, handed over once a turn, and
// written on a thread of the writer's own: one sync makes durable everything that was handed over before it began.
//
//   const std::uint64_t lsn = writer.append(1, {payload}, LogWriter::Sync::wanted);   // many times
//   writer.commit();                                                                  // once a turn
//   ... events.progress() on the writer's thread: progress().done_lsn has moved
//
// Records for which nobody wants a sync are written at once and synced with the next ones that do, a tenth of a second
// later at most: an acknowledgement alone costs no sync.
//
// A full disk is waited for: what cannot be written stays in line, `full` is told, and it is tried again until there is
// room. Files still retire meanwhile.
//
// Threads: append(), commit(), retire_below() and the destructor on one thread, the owner's; progress(),
// waiting_bytes() and sync_began() any. Events come on the writer's thread, one at a time, and must not call back; post
// them to a loop. Errors: after a DiskError `failed` is called, once; nothing becomes durable any more, records are
// still taken and go nowhere: stop the process. Lifetime: the destructor commits, waits for the disk (not for a full
// one) and closes the log; no event comes after it. Limits: nothing bounds what waits but its caller, who looks at
// waiting_bytes(). Without a thread (tests that choose the order of things) work() does what the thread would.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "broker/store/log.h"

namespace wherry::broker {

class LogWriter {
 public:
  struct Progress {
    // Everything up to here is synced, or written where no sync was wanted: always whole turns, since who hears that a
    // record is done relies on all that came before it in its turn, in whatever order that was appended.
    std::uint64_t done_lsn = 0;
    std::uint64_t synced_lsn = 0;       // Everything up to here survives a power cut.
    std::uint64_t oldest_last_lsn = 0;  // As in Log.
    std::uint64_t log_bytes = 0;
  };
  struct Events {
    std::function<void()> progress;  // progress() has changed.
    std::function<void(const DiskError&)> failed;
    std::function<void(bool)> full = {};  // The disk is full; it is not any more.
  };
  enum class Sync : bool { not_wanted, wanted };
  enum class Threads : bool { none, own };

  LogWriter(std::unique_ptr<Log> log, Events events, Threads threads = Threads::own);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // What the next record will have.
  std::uint64_t next_lsn() const { return next_lsn_; }
  // The record's LSN. The parts of the payload are copied.
  std::uint64_t append(std::uint8_t type, std::initializer_list<std::string_view> parts, Sync sync = Sync::wanted);
  // Hands over what was appended since, and ends the turn; does nothing when that is nothing.
  void commit();
  // Hands over what there is of a turn that goes on. append() does so too, when it becomes much.
  void hand_over();
  // See Log::retire_below(); takes place in the background, after everything committed before was synced.
  void retire_below(std::uint64_t lsn);
  // The same, without waiting for what was committed: for files that hold nothing whose successor is still to be
  // written. On a full disk this is what makes room.
  void retire_at_once(std::uint64_t lsn);

  Progress progress() const;
  // Handed over and not durable yet.
  std::size_t waiting_bytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }
  // Since when the disk has been busy with a write or sync; nothing when it is not.
  std::optional<Monotonic> sync_began() const;

  // Without a thread of its own: does what there is to do, and says whether there was something. Events come inside.
  bool work();

 private:
  struct Batch {
    BatchBuilder builder;
    bool sync = false;
    bool ends_turn = false;

    std::size_t size_bytes() const { return builder.records() == 0 ? 0 : builder.size_bytes(); }
  };
  struct Round {
    std::vector<Batch> batches;
    std::uint64_t retire_below = 0;
    std::uint64_t retire_at_once = 0;
  };
  void give();              // The open batch, to the writer.
  void take(Round& round);  // Under the mutex.
  void run();
  bool perform(Round& round);  // False: the disk is full, and what is left in the round is to be tried again.
  DiskResult<void> write(Round& round);
  DiskResult<void> sync();
  void done(std::vector<Batch> batches);
  void publish_progress();
  void set_full(bool full);
  void fail(const DiskError& error);
  void close();

  const std::unique_ptr<Log> log_;
  const Events events_;

  // The owner's.
  const std::size_t hand_over_at_;
  std::uint64_t next_lsn_;
  Batch open_;
  bool in_turn_ = false;  // Parts of a turn were handed over, and not its end.

  // The writer's.
  bool failed_ = false;
  bool full_ = false;
  bool no_room_ = false;          // Of this round: the log could not begin another file.
  bool unsynced_ = false;         // Something was written that no sync covers yet.
  std::uint64_t done_lsn_;        // Of the last turn that was written to its end.
  bool turn_wants_sync_ = false;  // The one of which only parts were written.

  std::atomic<std::size_t> waiting_bytes_ = 0;
  std::atomic<Monotonic::rep> busy_since_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Under the mutex.
  std::vector<Batch> waiting_;
  std::vector<BatchBuilder> spare_;  // Their memory is used again.
  std::uint64_t retire_below_ = 0;
  std::uint64_t retire_at_once_ = 0;
  bool stopping_ = false;
  Progress progress_;
  std::thread thread_;
};

}  // namespace wherry::broker

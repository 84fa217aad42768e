// LogWriter: group commit. Records are collected without a lock on the owner's thread, handed over once a turn, and
// written on a thread of the writer's own: one sync makes durable everything that was handed over before it began.
//
//   const std::uint64_t lsn = writer.append(1, payload);   // many times
//   writer.commit();                                       // once a turn
//   ... events.durable(up_to) on the writer's thread: all records up to there are on the disk
//
// Threads: append(), commit(), retire_below() and the destructor on one thread, the owner's; waiting_bytes() any.
// Events come on the writer's thread, one at a time, and must not call back; post them to a loop. One durable event
// covers all that one sync did. Errors: after a DiskError `failed` is called, once; nothing becomes durable any more,
// records are still taken and go nowhere: stop the process. Lifetime: the destructor commits, waits for the disk and
// closes the log; no event comes after it. Limits: nothing bounds what waits but its caller, who looks at
// waiting_bytes().
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "broker/store/log.h"

namespace wherry::broker {

class LogWriter {
 public:
  struct Events {
    std::function<void(std::uint64_t lsn)> durable;
    std::function<void(const DiskError&)> failed;
  };

  LogWriter(std::unique_ptr<Log> log, Events events);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // The record's LSN. The payload is copied.
  std::uint64_t append(std::uint8_t type, std::string_view payload);
  // Hands over what was appended since; does nothing when that is nothing.
  void commit();
  // See Log::retire_below(); takes place after the next sync, in the background.
  void retire_below(std::uint64_t lsn);
  // Handed over and not durable yet.
  std::size_t waiting_bytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }

 private:
  void run();
  DiskResult<void> write(std::vector<BatchBuilder>& batches, std::uint64_t retire_below);

  const std::unique_ptr<Log> log_;
  const Events events_;

  // The owner's.
  std::uint64_t next_lsn_;
  BatchBuilder open_;

  std::atomic<std::size_t> waiting_bytes_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<BatchBuilder> waiting_;  // This and the next two under the mutex.
  std::uint64_t retire_below_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace wherry::broker

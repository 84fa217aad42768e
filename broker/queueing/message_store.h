// MessageStore: what a queue asks of the disk. One store serves all queues of a shard.
//
// A record becomes durable some time after it was handed over; the store says up to which Lsn that has happened. Lsns
// grow in the order of the calls. Lsn 0 means "nothing to wait for". What is handed over in a turn of the loop becomes
// durable together: commit() ends the turn.
//
// Paging: what a store has written where it may stay (not in its log) it can give back, so the queue need not keep it
// in memory: on_kept() says which positions those are, load() brings them back.
//
// Threads: the shard's; waiting_bytes() any. Errors: a store that cannot keep its promise says so to its owner, who
// stops the process: nothing becomes durable any more, and confirms are not sent. A message that is damaged on the disk
// is reported to the log; load() leaves it out.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "broker/queueing/chunk_bits.h"
#include "broker/routing/message.h"

namespace wherry::broker {

using QueueId = std::uint64_t;
using Position = std::uint64_t;  // Of a message in its queue: grows by one with each message, never used twice.
using Lsn = std::uint64_t;
constexpr Position no_position = 0;  // The first message of a queue has position 1.

// What a confirm means. sync: the record is on the disk; os: the operating system has it, a power cut may lose it;
// none: it is on its way there.
enum class Durability : std::uint8_t { sync, os, none };

class DelayStore;
struct ScheduleKey;

// What is kept of the deliveries of a message that were made and came back. The store has them as one number.
struct DeliveryCounts {
  std::uint32_t returned = 0;  // All of them.
  std::uint8_t lost = 0;       // The last in a row that nobody gave back (docs/queues.md).

  static constexpr std::uint32_t most_returned = (1u << 24) - 1;
  static DeliveryCounts from(std::uint32_t kept) {
    return {kept & most_returned, static_cast<std::uint8_t>(kept >> 24)};
  }
  std::uint32_t as_kept() const {
    return std::uint32_t{lost} << 24 | (returned < most_returned ? returned : most_returned);
  }
};

class MessageStore {
 public:
  virtual ~MessageStore() = default;

  // Keeps the message at that position of that queue. Called for persistent messages of durable queues only, with
  // growing positions; calls with the same message in a row are one record.
  virtual Lsn append(QueueId queue, Position at, const MessageRef& message, Durability durability) = 0;
  // The same for a message that was held in delays() under that key: one record says that it is here and not there.
  virtual Lsn append_released(QueueId queue, Position at, const MessageRef& message, Durability durability,
                              const ScheduleKey& from) = 0;
  // The message is settled (acked, dropped, dead-lettered): it must not come back.
  virtual void settle(QueueId queue, Position at) = 0;
  // All that are kept from first to before end are settled.
  virtual void settle_range(QueueId queue, Position first, Position end) = 0;
  // A delivery came back (requeue, channel or consumer gone): the counts survive a restart. delivery_count: as
  // DeliveryCounts::as_kept() has it, here and in Loaded.
  virtual void attempted(QueueId queue, Position at, std::uint32_t delivery_count) = 0;
  // The queue and whatever it kept are gone.
  virtual void drop(QueueId queue) = 0;

  // --- notes: what a durable queue wants to be told after a restart, besides its messages ---
  // The record's Lsn, whatever the durability.
  virtual Lsn note(QueueId queue, std::string_view text, Durability durability) = 0;
  // All notes of the queue that are still there, in order; once, before recovered_all().
  virtual void recover_notes(QueueId queue, const std::function<void(Lsn lsn, std::string_view text)>& each) = 0;
  // Notes up to the lsn are about to go: whoever needs one says it again, with note(). Returns whether that queue still
  // needs any.
  using RenewNotes = std::function<bool(QueueId queue, Lsn up_to)>;
  virtual void on_renew_notes(RenewNotes renew) = 0;

  // --- what was paged out ---
  struct Loaded {
    Position at = 0;
    MessageRef message;
    std::uint32_t delivery_count = 0;
  };
  // Gives the message at `at` and its neighbours on the disk, in order. What is settled is left out.
  virtual void load(QueueId queue, Position at, const std::function<void(const Loaded&)>& each) = 0;
  // Writes messages that were never appended (transient ones) where load() finds them, to free their memory; on_kept()
  // follows, and whoever is settled by then is to be settled once more. They do not come back after a restart. In the
  // order of positions.
  virtual void spill(QueueId /*queue*/, std::vector<Loaded> /*messages*/) {}
  // Which positions of the chunk load() could give.
  virtual ChunkBits kept_in(QueueId queue, std::uint64_t chunk) = 0;
  // Tells that messages of a queue can be had from load() from now on: some of the chunk, those in the bits.
  // spilled: they came from spill().
  using OnKept = std::function<void(QueueId queue, std::uint64_t chunk, ChunkBits which, bool spilled)>;
  virtual void on_kept(OnKept kept) = 0;

  // --- after a restart ---
  // What a queue held when the broker stopped, in order of positions: messages, and pages of messages that load()
  // gives. The result is a position greater than any that the disk still knows of: the next message's.
  struct Page {
    std::uint64_t chunk = 0;  // Told once.
    ChunkBits live;
    std::uint64_t body_bytes = 0;
    std::uint32_t expiring = 0;  // With an expiration of their own.
  };
  virtual Position recover(QueueId queue, const std::function<void(const Loaded&)>& message,
                           const std::function<void(const Page&)>& page) = 0;
  // Every queue that exists was recovered: whatever the store has of others is dropped.
  virtual void recovered_all() = 0;

  // Messages that wait for their time: delay_store.h.
  virtual DelayStore& delays() = 0;

  // The turn ends: what it handed over goes to the disk.
  virtual void commit() = 0;
  // Everything up to here is as durable as was asked for.
  virtual Lsn durable() const = 0;
  // Called on the shard's thread whenever durable() has moved.
  virtual void on_durable(std::function<void()> moved) = 0;
  // What was handed over and waits for the disk. Who publishes faster than the disk writes is to be slowed by it.
  virtual std::size_t waiting_bytes() const { return 0; }
  // When the write or sync began that is under way now. Threads: any.
  virtual std::optional<Monotonic> sync_began() const { return std::nullopt; }
};

}  // namespace wherry::broker

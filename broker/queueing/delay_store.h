// DelayStore: messages that wait for their time, soonest first: those of x-delayed-message exchanges, to be routed
// when they are due, and those that a queue was given and that are held for it (x-hold-eta).
//
//   const Lsn lsn = delays.add(vhost, message, due_ms, Durability::sync);   // what a confirm waits for
//   ... at next_wake():
//   std::vector<DelayStore::Due> due;
//   const bool more = delays.take_due(now_ms, due);
//   ... publish what they become, in order, and when that is durable or in the same store's log:
//   if (!due.empty()) delays.fired(due.back().key);
//
// What is held for a queue can be counted, listed and taken back. Looking for one reads what lies on the disk, in the
// background: seconds for millions.
//
// Order: by due time, then as they came. At least once: what was taken and not reported as fired() is taken again after
// a restart; what was held and is given to the queue by MessageStore::append_released() comes exactly once. Threads:
// the shard's. Errors: those of the MessageStore it belongs to.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/queueing/message_store.h"

namespace wherry::broker {

// The order in which scheduled messages fire.
struct ScheduleKey {
  std::uint64_t due_ms = 0;
  std::uint64_t sequence = 0;  // Grows by one with each message of a shard.
  auto operator<=>(const ScheduleKey&) const = default;
};

// A message that is held for a queue, as a listing shows it.
struct HeldMessage {
  ScheduleKey key;
  std::uint64_t body_bytes = 0;
  bool persistent = false;
  std::string message_id = {};  // These are empty where the message has none.
  std::string task_id = {};     // The header id, as Celery sets it, or else the correlation id.
  std::string task = {};        // The header task.
  std::optional<std::string> deduplication_key = {};
};
struct HeldPage {
  std::vector<HeldMessage> messages;  // Soonest first.
  std::optional<ScheduleKey> next;    // Where the next page begins; nothing when this is the last.
};

class DelayStore {
 public:
  virtual ~DelayStore() = default;

  // Of a message that is not persistent nothing is promised over a restart; 0 is returned.
  virtual Lsn add(std::string_view vhost, MessageRef message, std::uint64_t due_ms, Durability durability) = 0;
  // Discards what waits for that exchange.
  virtual void drop(std::string_view vhost, std::string_view exchange) = 0;

  // --- held for queues ---
  // Of a message that is not persistent, and for a queue that ends with the process, nothing is promised over a
  // restart; 0 is returned. The time is not 0.
  virtual Lsn hold(QueueId queue, MessageRef message, std::uint64_t due_ms, Durability durability) = 0;
  // How many are. After a start, those on the disk are counted in the background first.
  virtual std::uint64_t held(QueueId queue) const = 0;
  // Those behind the key, at most so many. The reply may come inside the call, and does not when the store goes first.
  virtual void list_held(QueueId queue, ScheduleKey after, std::size_t limit, std::function<void(HeldPage)> reply) = 0;
  // Takes back each message of that name: its message id, its task id, or key_text() of its key. The reply, as above,
  // has those, and what to wait for until they are gone for good.
  virtual void cancel_held(QueueId queue, std::string name,
                           std::function<void(std::vector<HeldMessage> gone, Lsn lsn)> reply) = 0;
  // All of them; how many are known to have been.
  virtual std::uint64_t drop_held(QueueId queue) = 0;

  // --- what is due ---
  // When to call take_due(): some time before a message is due that has yet to be read. Nothing when nothing waits.
  virtual std::optional<std::uint64_t> next_wake() const = 0;
  struct Due {
    ScheduleKey key;
    std::string_view vhost;  // Lives as long as the store.
    MessageRef message;      // Published when it was due.
    QueueId queue = 0;       // That it was held for; 0: its exchange and routing key say where it goes.
  };
  // Gives what is due, in order, up to a turn's bounds; true when more is due now.
  virtual bool take_due(std::uint64_t now_ms, std::vector<Due>& into) = 0;
  // Everything up to the key has been taken and went where it goes. Keys grow.
  virtual void fired(ScheduleKey up_to) = 0;

  // Calls visit with what waits and is in memory, soonest first: what has been on the disk alone is not among it.
  virtual void browse(const std::function<void(const Due&)>& visit) const = 0;

  // What waits. Of a dropped exchange's messages, some may be counted until their time comes.
  virtual std::uint64_t size() const = 0;
};

}  // namespace wherry::broker

// DelayQueue: messages that wait for their time (the x-delayed-message exchange), soonest first.
//
// Pure and in memory; the shard asks next_due() for its timer and routes what take_due() gives. A durable store for
// delayed messages has this interface too.
// Order: by due time, then by the order they came in. Cost: O(log n) each. Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/routing/message.h"

namespace wherry::broker {

class DelayQueue {
 public:
  // The message's own exchange and routing key say where it goes when it is due.
  void add(MessageRef message, std::uint64_t due_ms);
  // When to look again, POSIX milliseconds; nothing when it is empty.
  std::optional<std::uint64_t> next_due() const;
  // The next message whose time has come; null when there is none (yet). Stamped with its due time as published_ms, so
  // that its time to live begins when it enters its queues.
  MessageRef take_due(std::uint64_t now_ms);
  std::size_t size() const { return heap_.size(); }
  std::uint64_t bytes() const { return bytes_; }
  // Messages waiting for one exchange (deleting it discards them).
  std::size_t drop(std::string_view exchange);

 private:
  struct Waiting {
    std::uint64_t due_ms;
    std::uint64_t sequence;
    MessageRef message;
  };
  static bool later(const Waiting& a, const Waiting& b) {
    return a.due_ms != b.due_ms ? a.due_ms > b.due_ms : a.sequence > b.sequence;
  }
  std::vector<Waiting> heap_;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace wherry::broker

// What an embedded broker has at this moment, as plain data: for tests that look at what was enqueued.
//
// With one shard a snapshot is of one moment; with more, each shard's part is of its own.
// Threads: any but a shard's. Errors: Running::broker() must be running; messages that are on the disk alone and
// delayed are not seen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "embedded/running.h"
#include "protocol/amqp/properties.h"

namespace wherry::embedded {

struct QueueCounts {
  std::string name;
  bool temporary = false;  // Exclusive, or deleted by itself when it is not used: reply queues are.
  std::uint32_t ready = 0;
  std::uint32_t unacked = 0;
};

struct Snapshot {
  std::vector<QueueCounts> queues;           // Of the virtual host "/".
  std::optional<std::uint64_t> next_due_ms;  // When the next delayed message is due, by the wall clock.
  std::uint64_t now_ms = 0;
};
Snapshot look(Running& running);

// A message that waits in a queue, or for its time.
struct WaitingMessage {
  std::string queue;  // That it is in, or will be in.
  amqp::Properties properties;
  std::string body;
  std::optional<WallTime> due = {};  // When it was delayed and still waits for that.
  bool redelivered = false;
};
// Of one queue or, with an empty name, of all: what is ready in the order in which it came, then what is delayed, the
// soonest first. At most so many of each queue.
std::vector<WaitingMessage> waiting(Running& running, const std::string& queue, std::size_t limit);

}  // namespace wherry::embedded

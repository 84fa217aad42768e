// A dead letter as people see it, and what becomes of it when it is replayed: one set of rules for the broker's tools
// and for the SDK. Pure: from a message's properties; its body is never touched.
//
//   const DeadLetter letter = read_dead_letter(properties);       // what it is, and why it is here
//   if (filter.matches(letter)) auto again = replay_of(properties, "wherry.dead");
//
// What a worker has written (x-wherry-...) comes first; what a broker writes about a queue's dead letters (x-death) is
// understood as well, so that the queue of any dead-letter exchange can be replayed.
//
// Threads: no state. Format: docs/dead-letters.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "protocol/amqp/properties.h"

namespace wherry::task {

struct DeadAttempt {
  std::uint32_t attempt = 0;  // From 1.
  std::string error = {};     // "type: message".
  std::string at = {};        // ISO 8601.
  std::string worker = {};
};

// Empty is unknown.
struct DeadLetter {
  std::string id = {};      // The task's; of what is no task, the message's.
  std::string task = {};    // Its name.
  std::string reason = {};  // One sentence of the worker's, or a broker's word: "expired".
  std::string queue = {};   // Where it died, and where a replay sends it.
  std::optional<WallTime> dead_at = {};
  std::uint32_t crashes = 0;
  std::uint32_t replays = 0;  // How often it was replayed before.
  std::vector<DeadAttempt> history = {};
  std::string args = {};  // As logs show them.
  std::string kwargs = {};

  // Of the last attempt.
  std::string error() const { return history.empty() ? std::string() : history.back().error; }
};
DeadLetter read_dead_letter(const amqp::Properties& properties);

// All that is set must fit; nothing set fits everything.
struct DeadLetterFilter {
  std::vector<std::string> ids = {};  // One of them; at most most_ids.
  std::string task = {};              // A pattern: base/glob.h.
  std::string reason = {};            // A part of the reason or of the last error, in any case of its letters.
  std::string queue = {};
  std::optional<WallTime> since = {};   // Dead at or after.
  std::optional<WallTime> before = {};  // Dead before. What has no time fits neither.

  static constexpr std::size_t most_ids = 1'000;
  bool matches(const DeadLetter& letter) const;
  bool empty() const;
};

struct Replay {
  std::string queue;
  amqp::Properties properties;
};
// The same message for the queue that it came from, with all its attempts: retries 0, no eta, no end of its time, and
// nothing left of what brokers and workers wrote about its death but x-wherry-history (its last most_history entries)
// and, counted up, x-wherry-replays. It is nobody's duplicate and has no carbon copies.
// from: the queue it lies in. Errors: it does not say where it came from, or from there.
Result<Replay> replay_of(const amqp::Properties& properties, std::string_view from);
constexpr std::size_t most_history = 100;

}  // namespace wherry::task

// DeadLetters: looks at what no worker could do, sends it to its queue once more, or throws it away, over AMQP and so
// at any broker.
//
//   wherry::DeadLetters letters("amqp://127.0.0.1");
//   for (const auto& letter : letters.list({.task = "email.*"})) std::cout << letter.id << " " << letter.reason <<
//   "\n"; letters.replay({.reason = "connection refused"});
//
// A replay publishes the message to the queue it came from, waits for the broker's confirm, then takes it from the dead
// letters: killed in between it is in both, with the same id. docs/dead-letters.md says what becomes of its headers,
// and how wherryctl does the same inside a Wherry broker, where looking delivers nothing.
//
// What is looked at and stays has been delivered, and comes back with `redelivered` set; it is in this program's hands
// until the call ends, and out of sight for others. Do not look again and again at a quorum queue with a delivery
// limit. A call sees what was there when it began. Memory: DeadLetterOptions::at_once messages at a time, and what is
// returned.
//
// Errors: ClientError: invalid_argument for a URL or a filter that says nothing; unroutable when there is no such
// queue; disconnected, denied, timed_out as of an enqueue. What was done until then is done, and what() says how much.
// Exceptions of a predicate or of on_progress end the call likewise and are passed on.
// Threads: any, one call at a time for each object; callbacks on the calling thread. Each call has a connection of its
// own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "wherry/error.h"

namespace wherry {

struct DeadAttempt {
  std::uint32_t attempt = 0;  // From 1.
  std::string error;          // "type: message".
  std::string at;             // ISO 8601.
  std::string worker;
};

struct DeadLetter {
  std::string id;      // The task's; of what is no task, the message's.
  std::string task;    // Its name.
  std::string reason;  // Why it is here, one sentence.
  std::string queue;   // Where it came from; a replay goes there.
  std::optional<std::chrono::system_clock::time_point> dead_at;
  std::uint32_t crashes = 0;  // Workers and processes that it took along.
  std::uint32_t replays = 0;  // How often it was replayed.
  std::vector<DeadAttempt> history;
  std::string args;  // As logs show them.
  std::string kwargs;
  std::size_t bytes = 0;  // Of its body.
};

// All that is set must fit.
struct DeadLetterFilter {
  std::vector<std::string> ids = {};
  std::string task = {};    // A pattern: "email.*".
  std::string reason = {};  // A part of the reason or of the last error, in any case of its letters.
  std::string queue = {};   // Where it came from.
  std::optional<std::chrono::system_clock::time_point> since = {};
  std::optional<std::chrono::system_clock::time_point> before = {};
  std::function<bool(const DeadLetter&)> where = {};
};

struct DeadLetterReport {
  std::uint64_t looked_at = 0;
  std::uint64_t of = 0;       // That were there when it began.
  std::uint64_t matched = 0;  // The filter.
  std::uint64_t done = 0;     // Replayed, or thrown away.
  struct Refused {
    std::string id;
    std::string why;
  };
  std::vector<Refused>
      refused;  // Matched, and stay: nobody knows where they came from, or their queue is gone or full.
};

struct DeadLetterOptions {
  std::string queue = "wherry.dead";
  std::string name = {};                      // Of the connection, for operators. Default: as a client's.
  std::chrono::milliseconds timeout{30'000};  // Without any progress.
  std::uint16_t at_once = 100;                // Messages on their way at a time.
  bool dry_run = false;                       // Replay and discard count what matches, and change nothing.
  std::function<void(const DeadLetterReport&)> on_progress = {};  // After each one.
};

class DeadLetters {
 public:
  explicit DeadLetters(std::string url, DeadLetterOptions options = {});

  // Oldest first, at most limit.
  std::vector<DeadLetter> list(const DeadLetterFilter& filter = {}, std::size_t limit = 100) const;

  DeadLetterReport replay(const DeadLetterFilter& filter) const;
  DeadLetterReport replay_all() const;
  DeadLetterReport discard(const DeadLetterFilter& filter) const;
  DeadLetterReport discard_all() const;

 private:
  std::string url_;
  DeadLetterOptions options_;
};

}  // namespace wherry

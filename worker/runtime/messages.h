// The messages a worker writes: results, retries, dead letters. Pure: from the message that came in and what became of
// it to what is published.
//
// A retry and a dead letter keep the body and the properties as they came; their headers tell the history:
//   x-wherry-history   array of tables, oldest first, one an attempt: attempt (from 1), error, at (ISO 8601), worker
//   x-wherry-reason    dead letters: why it is here, one sentence
//   x-wherry-queue     dead letters: the queue it came from
//   x-wherry-crashes   how many workers and processes it has taken along, if any
//   x-wherry-dead-at   dead letters: ISO 8601
// Threads: no state. Format: docs/worker.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "protocol/task/envelope.h"
#include "protocol/task/result.h"
#include "sdk/link/messages.h"

namespace wherry::worker {

// On a message: how many workers and processes its task had taken along when it was published.
inline constexpr std::string_view crashes_header = "x-wherry-crashes";

// How often in a row this message was lost with a worker, as the broker counted: x-lost-count of Wherry's, else
// x-delivery-count, which RabbitMQ's quorum queues have.
std::uint32_t losses(const sdk::Delivery& delivery);
// All that its task has taken along: those, and what its headers know of earlier attempts.
std::uint32_t crashes(const sdk::Delivery& delivery);

struct Failure {
  std::string type;     // The exception's, or what stands for one.
  std::string message;  // One sentence.
  std::string traceback = {};
  // What whoever waits for the result gets, where that is not type and message.
  std::optional<task::TaskException> exception = {};
};

// The same message for its next attempt: retries + 1, eta, the failed attempt in its history. To be published to the
// queue it came from. Errors: a task of protocol 1, which is written anew, with a value that cannot be written.
Result<sdk::Publication> retry_message(const sdk::Delivery& delivery, const task::Task& task, const Failure& failure,
                                       std::string_view worker, WallTime now, std::chrono::milliseconds delay);

// The same message for the place it came from, as if it had never been delivered. Nothing where the broker counts it
// anew when it is simply given back, or could take the copy for a duplicate.
std::optional<sdk::Publication> sent_round(const sdk::Delivery& delivery);

// The same message for the dead-letter queue. task: null when it could not be decoded.
sdk::Publication dead_letter(const sdk::Delivery& delivery, const task::Task* task, const Failure& failure,
                             std::string_view reason, std::string_view worker, WallTime now);

// A result for whoever waits, in the serializer the task came in; with an empty routing key when nobody does.
sdk::Publication result_message(const task::Task& task, task::ResultMeta meta);
task::ResultMeta success(const task::Task& task, task::Value result, WallTime now);
task::ResultMeta failed(const task::Task& task, std::string_view state, const Failure& failure, WallTime now);

}  // namespace wherry::worker

// What an operator may do with dead letters: list, show, replay, discard. JSON in, JSON out, for the verbs of the
// control socket and for HTTP alike (docs/dead-letters.md has the keys).
//
//   replay_dead_letters(broker, request, answered);    // {"ids": ["..."]} -> {"matched": 1, "replayed": 1, ...}
//
// Rules: protocol/task/dead_letter.h. The way through the queue: broker/shard/sweep.h. Nothing is delivered for it,
// however long the queue is; one answer holds most_listed letters at most.
// Threads: any; the answer comes on a shard's, possibly inside the call, and not at all when the broker stops first.
// Refusals: 400 for what is asked wrongly or cannot be looked through, 404 for what is not there.
#pragma once

#include <cstdint>
#include <functional>

#include "broker/admin/answer.h"
#include "broker/shard/broker.h"
#include "protocol/amqp/table.h"

namespace wherry::broker::admin {

constexpr std::int64_t most_listed = 1'000;

using DeadLettersAnswered = std::function<void(Outcome<amqp::FieldValue> answer)>;

// A list of objects, oldest first.
void list_dead_letters(Broker& broker, const amqp::Table& request, DeadLettersAnswered answered);
// A list of objects with all there is to one: mostly one.
void show_dead_letter(Broker& broker, const amqp::Table& request, DeadLettersAnswered answered);
void replay_dead_letters(Broker& broker, const amqp::Table& request, DeadLettersAnswered answered);
void discard_dead_letters(Broker& broker, const amqp::Table& request, DeadLettersAnswered answered);

}  // namespace wherry::broker::admin

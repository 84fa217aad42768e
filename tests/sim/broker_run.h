// BrokerRun: one seeded sequence of a few connections' operations on the broker, held against an obvious model.
//
// Three connections with two channels each publish, get, consume, acknowledge, reject, requeue, recover, change their
// prefetch, cancel, close channels, vanish, purge, delete and declare again, over a plain queue, one with priorities,
// one whose rejected messages go to a fourth, and that one. After each operation the run waits until what the model
// expects has come, and holds against it: which messages came (the first in the queue's order, as many as there was
// room for), to whom (a consumer of that queue with room), the redelivered flag, delivery tags, confirms, and how many
// are ready. At the end each queue is emptied message by message, in its order.
//
// The broker is a real one, in this process, with real sockets; the operations of a seed are always the same, the
// moments at which its threads do their part are not. Errors: a std::runtime_error that says what was wrong.
#pragma once

#include <cstdint>

#include "tests/unit/broker/shard/clients.h"

namespace wherry::broker::sim {

struct BrokerCounts {
  std::uint64_t operations = 0;
  std::uint64_t deliveries = 0;
};

// The world is as it was before, when it returns.
BrokerCounts run_broker(test::World& world, std::uint64_t seed, bool verbose);

}  // namespace wherry::broker::sim

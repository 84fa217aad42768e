// TopologyJournal: hears of each change to what is durable in a virtual host, so that it can be kept, and numbers the
// durable queues. Settings that were made at run time (policies, limits) are kept in the same way.
//
// Durable are exchanges and queues that were declared so (never exclusive queues), and bindings between two durable
// ends. What a change brings with it is told too: the bindings of a queue that goes, the auto-delete exchange that lost
// its last binding.
// Order: record() is called inside the change, in the order of the changes of one vhost. Threads: any; the vhost's lock
// is held. Errors: none; a journal that cannot keep what it took stops the broker.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "broker/routing/vhost.h"

namespace wherry::broker {

// A setting of a virtual host, or of the whole broker where the vhost is empty.
struct ParameterSpec {
  std::string component;  // "policy", "operator_policy", "vhost-limits", "user-limits", "paused-queue", "shovel", ...
  std::string name;
  amqp::Table value;
};

// A durable queue that an operator has paused: its name here is the queue's id, which no other queue ever has. So one
// that outlives its queue means nothing, and goes at the next start.
constexpr std::string_view paused_queue_component = "paused-queue";

struct TopologyChange {
  bool added = true;  // Else removed.
  std::string vhost;
  // monostate: the vhost itself.
  std::variant<std::monostate, ExchangeSpec, QueueEntryRef, BindingSpec, ParameterSpec> entity;
};

inline TopologyChange paused_change(const QueueEntry& queue, bool paused) {
  amqp::Table value;
  value.set("queue", queue.spec.name);
  return {paused, queue.vhost, ParameterSpec{std::string(paused_queue_component), std::to_string(queue.id), value}};
}

class TopologyJournal {
 public:
  // For a durable queue: never used twice, by no other run of the broker either.
  virtual std::uint64_t next_queue_id() = 0;
  // The change's number: 1, 2, 3, ...
  virtual std::uint64_t record(TopologyChange change) = 0;

 protected:
  ~TopologyJournal() = default;
};

}  // namespace wherry::broker

#include "embedded/snapshot.h"

#include <algorithm>
#include <future>
#include <iterator>
#include <utility>

#include "broker/shard/shard.h"

namespace wherry::embedded {

namespace {

constexpr const char* default_vhost = "/";

// Runs visit(shard) on each shard's thread, one after the other.
template <class Visit>
void on_each_shard(broker::Broker& broker, Visit visit) {
  for (const auto& shard : broker.shared().shards()) {
    std::promise<void> done;
    shard->loop().post([&] {
      visit(*shard);
      done.set_value();
    });
    done.get_future().wait();
  }
}

std::vector<broker::QueueEntryRef> queues_of(broker::Broker& broker) {
  const broker::SharedVhostRef vhost = broker.shared().find_vhost(default_vhost);
  if (!vhost) return {};
  return vhost->read([](const broker::Vhost& topology) { return topology.queues(); });
}

WaitingMessage to_waiting(std::string queue, const broker::Message& message) {
  WaitingMessage one;
  one.queue = std::move(queue);
  if (auto properties = amqp::decode_properties(message.properties())) one.properties = std::move(*properties);
  one.body = message.body();
  return one;
}

void add_ready(broker::Shard& shard, const broker::QueueEntry& entry, std::size_t limit,
               std::vector<WaitingMessage>& into) {
  broker::Queue* queue = shard.find_queue(entry.id);
  if (queue == nullptr) return;
  queue->browse(limit, [&](const broker::Message& message, bool redelivered) {
    into.push_back(to_waiting(entry.spec.name, message));
    into.back().redelivered = redelivered;
  });
}

// Where a delayed message will be, as the bindings are now.
std::vector<std::string> queues_for(broker::Shard& shard, const broker::SharedVhost& vhost,
                                    const broker::DelayStore::Due& due) {
  std::vector<std::string> names;
  if (due.queue != 0) {
    const broker::Queue* held_for = shard.find_queue(due.queue);
    if (held_for != nullptr && held_for->entry().vhost == default_vhost) names.push_back(held_for->entry().spec.name);
    return names;
  }
  if (due.vhost != default_vhost) return names;
  std::vector<broker::QueueEntryRef> queues;
  vhost.read([&](const broker::Vhost& topology) {
    topology.route_within(due.message->exchange(), due.message->routing_key(), due.message->properties(), queues);
  });
  for (const auto& queue : queues) names.push_back(queue->spec.name);
  return names;
}

void add_delayed(broker::Shard& shard, const broker::SharedVhost& vhost, const std::string& wanted,
                 std::vector<WaitingMessage>& into) {
  shard.delays().browse([&](const broker::DelayStore::Due& due) {
    for (std::string& name : queues_for(shard, vhost, due)) {
      if (!wanted.empty() && name != wanted) continue;
      into.push_back(to_waiting(std::move(name), *due.message));
      into.back().due = WallTime(std::chrono::milliseconds(due.key.due_ms));
    }
  });
}

}  // namespace

Snapshot look(Running& running) {
  Snapshot snapshot;
  const auto entries = queues_of(running.broker());
  on_each_shard(running.broker(), [&](broker::Shard& shard) {
    snapshot.now_ms = shard.now_ms();
    for (const auto& entry : entries) {
      const broker::Queue* queue = entry->home == shard.shard() ? shard.find_queue(entry->id) : nullptr;
      if (queue == nullptr) continue;
      const bool temporary = entry->spec.exclusive || entry->spec.auto_delete;
      snapshot.queues.push_back({entry->spec.name, temporary, queue->ready_count(), queue->unacked_count()});
    }
    if (const auto next = shard.delays().next_wake()) {
      snapshot.next_due_ms = std::min(snapshot.next_due_ms.value_or(*next), *next);
    }
  });
  return snapshot;
}

std::vector<WaitingMessage> waiting(Running& running, const std::string& queue, std::size_t limit) {
  std::vector<WaitingMessage> ready;
  std::vector<WaitingMessage> delayed;
  const broker::SharedVhostRef vhost = running.broker().shared().find_vhost(default_vhost);
  if (!vhost) return ready;
  const auto entries = queues_of(running.broker());
  on_each_shard(running.broker(), [&](broker::Shard& shard) {
    for (const auto& entry : entries) {
      if (entry->home != shard.shard() || (!queue.empty() && entry->spec.name != queue)) continue;
      add_ready(shard, *entry, limit, ready);
    }
    add_delayed(shard, *vhost, queue, delayed);
  });
  std::stable_sort(delayed.begin(), delayed.end(), [](const auto& a, const auto& b) { return a.due < b.due; });
  ready.insert(ready.end(), std::make_move_iterator(delayed.begin()), std::make_move_iterator(delayed.end()));
  return ready;
}

}  // namespace wherry::embedded

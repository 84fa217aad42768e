#include "broker/store/memory_store.h"

#include "base/assert.h"

namespace wherry::broker {

Lsn MemoryStore::append(QueueId queue, Position at, const MessageRef& message) {
  auto& kept = queues_[queue];
  WHERRY_ASSERT(kept.empty() || kept.rbegin()->first < at);
  kept.emplace_hint(kept.end(), at, Kept{message, 0});
  return ++last_;
}

Lsn MemoryStore::settle(QueueId queue, Position at) {
  auto found = queues_.find(queue);
  WHERRY_ASSERT(found != queues_.end() && found->second.erase(at) == 1);
  return ++last_;
}

void MemoryStore::attempted(QueueId queue, Position at, std::uint32_t delivery_count) {
  auto found = queues_.find(queue);
  WHERRY_ASSERT(found != queues_.end());
  auto kept = found->second.find(at);
  WHERRY_ASSERT(kept != found->second.end());
  kept->second.delivery_count = delivery_count;
  ++last_;
}

Lsn MemoryStore::settle_below(QueueId queue, Position end) {
  if (auto found = queues_.find(queue); found != queues_.end()) {
    found->second.erase(found->second.begin(), found->second.lower_bound(end));
  }
  return ++last_;
}

Lsn MemoryStore::drop(QueueId queue) {
  queues_.erase(queue);
  return ++last_;
}

MessageRef MemoryStore::load(QueueId queue, Position at) {
  auto found = queues_.find(queue);
  if (found == queues_.end()) return nullptr;
  auto kept = found->second.find(at);
  return kept == found->second.end() ? nullptr : kept->second.message;
}

void MemoryStore::recover(QueueId queue, const std::function<void(const Recovered&)>& each) {
  auto found = queues_.find(queue);
  if (found == queues_.end()) return;
  for (const auto& [at, kept] : found->second) each({at, kept.message, kept.delivery_count});
}

std::size_t MemoryStore::kept(QueueId queue) const {
  auto found = queues_.find(queue);
  return found == queues_.end() ? 0 : found->second.size();
}

}  // namespace wherry::broker

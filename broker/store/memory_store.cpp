#include "broker/store/memory_store.h"

#include <limits>

#include "base/assert.h"
#include "broker/store/memory_vfs.h"

namespace wherry::broker {

// A schedule that never reaches the disk it has.
struct MemoryStore::Delays final : ScheduleLog {
  explicit Delays(Lsn& last_lsn) : last(last_lsn) {
    WHERRY_ASSERT(disk.make_folder("delays"));
    auto opened =
        Schedule::open(disk, *this, {.folder = "delays", .memtable_bytes = std::numeric_limits<std::size_t>::max()},
                       {.start = [](auto, auto) {}, .damaged = [](const auto&) {}, .failed = [](const auto&) {}});
    WHERRY_ASSERT(opened);
    schedule = std::move(*opened);
  }
  Lsn append(ScheduleRecord, std::string_view, Durability) override { return ++last; }
  Lsn durable() const override { return last; }

  Lsn& last;
  MemoryVfs disk;
  std::unique_ptr<Schedule> schedule;
};

MemoryStore::MemoryStore() : delays_(std::make_unique<Delays>(last_)) {}
MemoryStore::~MemoryStore() = default;

DelayStore& MemoryStore::delays() {
  return *delays_->schedule;
}

Lsn MemoryStore::append(QueueId queue, Position at, const MessageRef& message, Durability) {
  auto& kept = queues_[queue];
  WHERRY_ASSERT(kept.empty() || kept.rbegin()->first < at);
  kept.emplace_hint(kept.end(), at, Kept{message, 0});
  return ++last_;
}

void MemoryStore::settle(QueueId queue, Position at) {
  auto found = queues_.find(queue);
  WHERRY_ASSERT(found != queues_.end() && found->second.erase(at) == 1);
}

void MemoryStore::settle_range(QueueId queue, Position first, Position end) {
  if (auto found = queues_.find(queue); found != queues_.end()) {
    found->second.erase(found->second.lower_bound(first), found->second.lower_bound(end));
  }
}

void MemoryStore::attempted(QueueId queue, Position at, std::uint32_t delivery_count) {
  auto found = queues_.find(queue);
  WHERRY_ASSERT(found != queues_.end());
  auto kept = found->second.find(at);
  WHERRY_ASSERT(kept != found->second.end());
  kept->second.delivery_count = delivery_count;
}

void MemoryStore::drop(QueueId queue) {
  queues_.erase(queue);
  notes_.erase(queue);
}

Lsn MemoryStore::note(QueueId queue, std::string_view text, Durability) {
  notes_[queue].emplace_back(++last_, text);
  return last_;
}

void MemoryStore::recover_notes(QueueId queue, const std::function<void(Lsn, std::string_view)>& each) {
  for (const auto& [lsn, text] : notes_[queue]) each(lsn, text);
}

void MemoryStore::load(QueueId queue, Position at, const std::function<void(const Loaded&)>& each) {
  auto found = queues_.find(queue);
  if (found == queues_.end()) return;
  auto kept = found->second.find(at);
  if (kept != found->second.end()) each({at, kept->second.message, kept->second.delivery_count});
}

Position MemoryStore::recover(QueueId queue, const std::function<void(const Loaded&)>& message,
                              const std::function<void(const Page&)>&) {
  auto found = queues_.find(queue);
  if (found == queues_.end() || found->second.empty()) return no_position + 1;
  for (const auto& [at, kept] : found->second) message({at, kept.message, kept.delivery_count});
  return found->second.rbegin()->first + 1;
}

std::size_t MemoryStore::kept(QueueId queue) const {
  auto found = queues_.find(queue);
  return found == queues_.end() ? 0 : found->second.size();
}

}  // namespace wherry::broker

// A queue's ready messages, looked through without being delivered, and taken out of turn.
#include <algorithm>
#include <map>

#include "broker/queueing/queue_impl.h"

namespace wherry::broker {

Position Queue::end() const {
  return impl_->slots.end();
}

bool Queue::is_fair() const {
  return impl_->ready.fair();
}

Position Queue::browse(Position from, Position end, std::size_t most,
                       const std::function<void(Position at, const MessageRef& message)>& show) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  // Each run has a message at least: no more of them than messages are wanted.
  std::vector<std::pair<Position, Position>> runs;
  queue.ready.each_run([&](Position begin, Position past) {
    begin = std::max(begin, from);
    past = std::min(past, end);
    if (begin < past) runs.emplace_back(begin, past);
  });
  const std::size_t wanted = std::min(most, runs.size());
  std::partial_sort(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(wanted), runs.end());
  // What the disk gave along with the last one that was asked for.
  std::map<Position, MessageRef> loaded;
  std::size_t left = most;
  for (std::size_t run = 0; run < wanted; ++run) {
    for (Position at = runs[run].first; at < runs[run].second; ++at) {
      if (left == 0) return at;
      --left;
      const Slot* slot = queue.slots.find(at);
      if (slot != nullptr && slot->message) {
        show(at, slot->message);
        continue;
      }
      if (!loaded.contains(at)) {
        loaded.clear();
        queue.store.load(queue.entry->id, at,
                         [&](const MessageStore::Loaded& one) { loaded.emplace(one.at, one.message); });
      }
      // What the disk has lost is noticed when its turn comes.
      if (const auto found = loaded.find(at); found != loaded.end()) show(at, found->second);
    }
  }
  return wanted == runs.size() ? end : runs[wanted - 1].second;
}

std::size_t Queue::take_out(std::span<const Position> positions) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy && !queue.ready.fair());
  std::vector<Position> gone;
  std::uint64_t chunk = UINT64_MAX;
  // What came into memory only to be counted out does not stay there, and neither do its neighbours.
  const auto leave_chunk = [&] {
    if (chunk != UINT64_MAX) queue.slots.keep(chunk, {}, false);
  };
  for (Position at : positions) {
    if (at / chunk_positions != chunk) leave_chunk();
    chunk = at / chunk_positions;
    Slot* slot = queue.in_memory(at);
    if (slot == nullptr || slot->state != SlotState::ready) continue;
    queue.count_ready(*slot, -1);
    queue.settle(at, *slot);
    gone.push_back(at);
  }
  leave_chunk();
  queue.ready.remove(gone);
  queue.stats.taken_out += gone.size();
  queue.schedule();
  return gone.size();
}

}  // namespace wherry::broker

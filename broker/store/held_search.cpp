#include "broker/store/held_search.h"

#include <utility>

#include "broker/queueing/held_message.h"

namespace wherry::broker {

void HeldQuery::consider(ScheduleKey key, QueueId held_for, std::string_view properties, std::uint64_t body_bytes,
                         bool persistent, std::vector<HeldMessage>& found) const {
  if (held_for != queue) return;
  HeldMessage message = describe_held(key, properties, body_bytes, persistent);
  if (!name || has_name(message, *name)) found.push_back(std::move(message));
}

HeldSearch::HeldSearch(Vfs& disk, HeldQuery query, std::vector<RunFile> inputs, ScheduleKey behind, ScheduleDrops drops)
    : disk_(disk), query_(std::move(query)), inputs_(std::move(inputs)), behind_(behind), drops_(std::move(drops)) {}

bool HeldSearch::step(std::uint64_t bytes) {
  for (const RunFile& input : std::exchange(inputs_, {})) {
    cursors_.push_back(std::make_unique<RunCursor>(disk_, input, [](const ScheduleDamage&) {}));
    cursors_.back()->seek_after(behind_);
  }
  for (std::uint64_t done = 0; done < bytes;) {
    RunCursor* least = nullptr;
    for (const auto& cursor : cursors_) {
      if (!cursor->at_end() && (least == nullptr || cursor->key() < least->key())) least = cursor.get();
    }
    if (least == nullptr || found_.size() >= query_.limit) return true;
    const ScheduleKey key = least->key();
    const auto entry = least->take();
    done += kRunEntryHeaderBytes;
    // In two runs: written twice, because the disk could not say that it was there.
    if (!entry || key <= std::exchange(behind_, key)) continue;
    done += entry->properties.size() + entry->body.size();
    if (entry->queue == 0 || drops_.covers(key, entry->queue, entry->vhost, entry->exchange)) continue;
    if (query_.queue == 0) {
      ++counts_[entry->queue];
    } else {
      query_.consider(key, entry->queue, entry->properties, entry->body.size(), entry->persistent, found_);
    }
  }
  return false;
}

}  // namespace wherry::broker

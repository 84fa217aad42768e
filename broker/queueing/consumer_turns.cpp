#include "broker/queueing/consumer_turns.h"

#include <algorithm>

#include "base/assert.h"

namespace wherry::broker {

ConsumerTurns::Group& ConsumerTurns::group_of(std::int32_t priority) {
  auto at = std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return g.priority <= priority; });
  if (at == groups_.end() || at->priority != priority) at = groups_.insert(at, Group{priority, {}, {}});
  return *at;
}

ConsumerRecord& ConsumerTurns::add(Consumer& consumer, const ConsumerOptions& options) {
  Group& group = group_of(options.priority);
  ConsumerRecord record{.consumer = &consumer, .options = options, .available = true, .joined = next_join_++};
  auto at = group.available.insert(group.available.end(), std::move(record));
  at->self = at;
  bool fresh = records_.emplace(&consumer, at).second;
  WHERRY_ASSERT(fresh);
  if (options.exclusive) ++exclusive_;
  if (single_active_ && !active_) active_ = &*at;
  return *at;
}

void ConsumerTurns::remove(Consumer& consumer) {
  auto found = records_.find(&consumer);
  WHERRY_ASSERT(found != records_.end());
  List::iterator at = found->second;
  records_.erase(found);
  last_found_ = nullptr;
  if (at->options.exclusive) --exclusive_;
  bool was_active = active_ == &*at;
  std::int32_t priority = at->options.priority;
  Group& group = group_of(priority);
  (at->available ? group.available : group.busy).erase(at);
  if (group.available.empty() && group.busy.empty()) {
    groups_.erase(groups_.begin() + (&group - groups_.data()));
  }
  if (was_active) choose_active();
}

void ConsumerTurns::choose_active() {
  active_ = nullptr;
  if (groups_.empty()) return;
  Group& highest = groups_.front();
  for (List* list : {&highest.available, &highest.busy}) {
    for (ConsumerRecord& record : *list) {
      if (!active_ || record.joined < active_->joined) active_ = &record;
    }
  }
}

ConsumerRecord* ConsumerTurns::find(const Consumer* consumer) {
  if (last_found_ != nullptr && last_found_->consumer == consumer) return last_found_;
  auto found = records_.find(consumer);
  return found == records_.end() ? nullptr : last_found_ = &*found->second;
}

void ConsumerTurns::pass_on(ConsumerRecord& record) {
  update(record);
  if (!record.available) return;
  List& available = group_of(record.options.priority).available;
  if (&available.back() != &record) available.splice(available.end(), available, record.self);
}

void ConsumerTurns::move(ConsumerRecord& record) {
  Group& group = group_of(record.options.priority);
  if (record.available) {
    group.busy.splice(group.busy.end(), group.available, record.self);
  } else {
    group.available.splice(group.available.end(), group.busy, record.self);
  }
  record.available = !record.available;
}

}  // namespace wherry::broker

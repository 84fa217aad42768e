#include "broker/store/schedule_drops.h"

#include <algorithm>

#include "broker/routing/vhost.h"

namespace wherry::broker {

void ScheduleDrops::add(const ScheduleDrop& drop, Lsn lsn) {
  Last& last = exchanges_[drop.vhost][drop.exchange];
  last = {std::max(last.sequence, drop.sequence), std::max(last.lsn, lsn)};
}

void ScheduleDrops::add(const ScheduleWithdrawal& withdrawal, Lsn lsn) {
  if (withdrawal.key.due_ms != 0) {
    singles_[withdrawal.key] = {withdrawal.queue, lsn};
    return;
  }
  Last& last = queues_[withdrawal.queue];
  last = {std::max(last.sequence, withdrawal.key.sequence), std::max(last.lsn, lsn)};
}

bool ScheduleDrops::covers(ScheduleKey key, QueueId queue, std::string_view vhost, std::string_view exchange) const {
  if (!singles_.empty() && singles_.contains(key)) return true;
  if (queue != 0) {
    if ((queue & not_durable) != 0 && key.sequence < life_began_) return true;
    const auto last = queues_.find(queue);
    return last != queues_.end() && key.sequence <= last->second.sequence;
  }
  if (exchanges_.empty()) return false;
  const auto there = exchanges_.find(vhost);
  if (there == exchanges_.end()) return false;
  const auto last = there->second.find(exchange);
  return last != there->second.end() && key.sequence <= last->second.sequence;
}

bool ScheduleDrops::needs_up_to(Lsn lsn) const {
  for (const auto& [vhost, exchanges] : exchanges_) {
    for (const auto& [exchange, last] : exchanges) {
      if (last.lsn <= lsn) return true;
    }
  }
  const auto old = [&](const auto& each) { return each.second.lsn <= lsn; };
  return std::any_of(queues_.begin(), queues_.end(), old) || std::any_of(singles_.begin(), singles_.end(), old);
}

void ScheduleDrops::renew(Lsn lsn, const Renewal& by) {
  for (auto& [vhost, exchanges] : exchanges_) {
    std::erase_if(exchanges, [&](const auto& each) { return !by.needed({0, each.second.sequence}); });
    for (auto& [exchange, last] : exchanges) {
      if (last.lsn <= lsn) last.lsn = by.drop({last.sequence, vhost, exchange});
    }
  }
  std::erase_if(exchanges_, [](const auto& there) { return there.second.empty(); });
  std::erase_if(queues_, [&](const auto& each) { return !by.needed({0, each.second.sequence}); });
  for (auto& [queue, last] : queues_) {
    if (last.lsn <= lsn) last.lsn = by.withdraw({queue, {0, last.sequence}});
  }
  std::erase_if(singles_, [&](const auto& each) { return !by.needed(each.first); });
  for (auto& [key, single] : singles_) {
    if (single.lsn <= lsn) single.lsn = by.withdraw({single.queue, key});
  }
}

}  // namespace wherry::broker

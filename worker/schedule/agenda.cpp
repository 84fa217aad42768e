#include "worker/schedule/agenda.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/assert.h"
#include "worker/schedule/catch_up.h"

namespace wherry::schedule {

namespace {

// How long the state of an entry is kept that no scheduler has any more.
constexpr std::chrono::hours remembered{7 * 24};

}  // namespace

Agenda::Agenda(const std::vector<Entry>& entries) : entries_(entries), items_(entries.size()) {}

WallTime& Agenda::until(std::size_t entry) {
  return state_.at(entries_[entry].name).until;
}

void Agenda::see_to(std::size_t entry, WallTime up_to) {
  WallTime& seen_to = until(entry);
  // What was learned meanwhile may be further.
  seen_to = std::max(seen_to, up_to);
  items_[entry].next = entries_[entry].timetable.next(seen_to);
  changed_ = true;
}

void Agenda::learn(const State& state) {
  if (!active_) return merge(state_, state);
  State others = state;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto theirs = others.find(entries_[i].name);
    if (theirs == others.end()) continue;
    if (theirs->second.timetable == entries_[i].timetable.text() && theirs->second.until > until(i)) {
      see_to(i, theirs->second.until);
    }
    others.erase(theirs);
  }
  merge(state_, others);
}

void Agenda::begin(WallTime now) {
  under_way_ = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const std::string& text = entries_[i].timetable.text();
    const auto [at, is_new] = state_.try_emplace(entries_[i].name);
    if (is_new || at->second.timetable != text) at->second = {.timetable = text, .until = now};
    items_[i] = {.next = entries_[i].timetable.next(at->second.until)};
  }
  active_ = true;
  changed_ = true;
}

void Agenda::entries_changed(WallTime now) {
  items_.assign(entries_.size(), {});
  under_way_ = 0;
  if (active_) begin(now);
}

std::vector<Agenda::Tick> Agenda::take(WallTime now) {
  std::vector<Tick> ticks;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Item& item = items_[i];
    if (item.under_way || !item.next || *item.next > now || item.again_at > now) continue;
    const Due due = due_ticks(entries_[i].timetable, until(i), now, entries_[i].catch_up);
    if (due.dropped) {
      notes_.push_back(fmt::format("{}: what was due from {} to {} was missed and is left out", entries_[i].name,
                                   entries_[i].timetable.local(*item.next), entries_[i].timetable.local(*due.dropped)));
      see_to(i, *due.dropped);
    }
    if (due.ticks.empty()) continue;
    item.under_way = true;
    item.taken = due.ticks.front();
    ++under_way_;
    ticks.push_back({i, due.ticks.front()});
  }
  return ticks;
}

std::vector<std::string> Agenda::take_notes() {
  return std::exchange(notes_, {});
}

void Agenda::enqueued(const Tick& tick) {
  Item& item = items_[tick.entry];
  WHERRY_ASSERT(item.under_way);
  item.under_way = false;
  --under_way_;
  see_to(tick.entry, tick.at);
}

void Agenda::failed(const Tick& tick, WallTime again_at) {
  Item& item = items_[tick.entry];
  WHERRY_ASSERT(item.under_way);
  item.under_way = false;
  --under_way_;
  item.again_at = again_at;
  changed_ = true;  // A state that claimed it is wrong.
}

std::optional<WallTime> Agenda::next() const {
  std::optional<WallTime> first;
  for (const Item& item : items_) {
    if (item.under_way || !item.next) continue;
    const WallTime at = std::max(*item.next, item.again_at);
    if (!first || at < *first) first = at;
  }
  return first;
}

State Agenda::state(WallTime now, UnderWay under_way) {
  changed_ = false;
  for (const Entry& entry : entries_) state_.at(entry.name).seen = now;
  forget(state_, now - remembered);
  State out = state_;
  for (std::size_t i = 0; under_way == UnderWay::claimed && i < entries_.size(); ++i) {
    WallTime& seen_to = out.at(entries_[i].name).until;
    if (items_[i].under_way) seen_to = std::max(seen_to, items_[i].taken);
  }
  return out;
}

}  // namespace wherry::schedule

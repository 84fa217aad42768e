// ReadyOrder: which ready message is next: the highest priority first, and by position within one.
//
// Fresh positions come in order and are kept as runs (one run for a queue without priorities, however long it is);
// positions that came back are few and kept in a heap. A position that comes back is always before the fresh ones of
// its priority, since it was among them once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "broker/queueing/message_store.h"

namespace wherry::broker {

class ReadyOrder {
 public:
  explicit ReadyOrder(std::uint8_t max_priority) : levels_(std::size_t{max_priority} + 1) {}

  std::uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t levels() const { return levels_.size(); }
  std::uint8_t level_of(std::uint8_t priority) const {
    return static_cast<std::uint8_t>(std::min<std::size_t>(priority, levels_.size() - 1));
  }

  // A new position, greater than all before it.
  void push(Position at, std::uint8_t level) {
    auto& fresh = levels_[level].fresh;
    if (!fresh.empty() && (fresh.back().end == at || fresh.back().begin == fresh.back().end)) {
      if (fresh.back().end != at) fresh.back().begin = at;
      fresh.back().end = at + 1;
    } else {
      fresh.push_back({at, at + 1});
    }
    raise(level);
  }
  void push_back_again(Position at, std::uint8_t level) {
    auto& returned = levels_[level].returned;
    returned.push_back(at);
    std::push_heap(returned.begin(), returned.end(), std::greater<>());
    raise(level);
  }

  // The next one; precondition: not empty().
  Position front() const { return front_of(top_); }
  void pop() { pop_of(top_); }

  // The same within one level; no_position when it has none.
  Position front_of(std::size_t level) const {
    const Level& l = levels_[level];
    if (!l.returned.empty()) return l.returned.front();
    return l.fresh.empty() || l.fresh.front().begin == l.fresh.front().end ? no_position : l.fresh.front().begin;
  }
  void pop_of(std::size_t level) {
    Level& l = levels_[level];
    if (!l.returned.empty()) {
      std::pop_heap(l.returned.begin(), l.returned.end(), std::greater<>());
      l.returned.pop_back();
    } else {
      // The last run stays, empty, for the next push to grow.
      if (++l.fresh.front().begin == l.fresh.front().end && l.fresh.size() > 1) l.fresh.pop_front();
    }
    --size_;
    while (top_ > 0 && front_of(top_) == no_position) --top_;
  }
  // What a full queue lets go first: the oldest of the lowest priority.
  std::size_t lowest_level() const {
    std::size_t level = 0;
    while (front_of(level) == no_position) ++level;
    return level;
  }

 private:
  struct Run {
    Position begin;
    Position end;
  };
  struct Level {
    std::deque<Run> fresh;
    std::vector<Position> returned;  // A heap, the smallest in front.
  };
  void raise(std::size_t level) {
    ++size_;
    top_ = std::max(top_, level);
  }

  std::vector<Level> levels_;
  std::size_t top_ = 0;  // No level above it has any.
  std::uint32_t size_ = 0;
};

}  // namespace wherry::broker

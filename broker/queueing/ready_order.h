// ReadyOrder: which ready message is next: the highest priority first; within one by position, or, in a queue that is
// fair to keys, the first of the key whose turn it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "broker/queueing/fair_turns.h"
#include "broker/queueing/ready_line.h"

namespace wherry::broker {

class ReadyOrder {
 public:
  // Which message of a level: the one that is to be delivered, or the oldest, which expires and makes room first. Only
  // in a fair queue they differ.
  enum class Head { next, oldest };

  ReadyOrder(std::uint8_t max_priority, bool fair) : levels_(std::size_t{max_priority} + 1) {
    if (!fair) return;
    for (Level& level : levels_) level.turns = std::make_unique<FairTurns>();
  }

  std::uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool fair() const { return levels_.front().turns != nullptr; }
  std::size_t levels() const { return levels_.size(); }
  std::uint8_t level_of(std::uint8_t priority) const {
    return static_cast<std::uint8_t>(std::min<std::size_t>(priority, levels_.size() - 1));
  }

  // A new position, greater than all before it. The key matters to fair queues alone.
  void push(Position at, std::uint8_t level, std::string_view key = {}) {
    Level& l = levels_[level];
    if (l.turns) {
      l.turns->push(key, at);
    } else {
      l.line.push_run(at, at + 1);
    }
    raise(level, 1);
  }
  // New positions from begin to before end. Precondition: not fair().
  void push_run(Position begin, Position end, std::uint8_t level) {
    levels_[level].line.push_run(begin, end);
    raise(level, static_cast<std::uint32_t>(end - begin));
  }
  void push_back_again(Position at, std::uint8_t level, std::string_view key = {}) {
    Level& l = levels_[level];
    if (l.turns) {
      l.turns->push_back_again(key, at);
    } else {
      l.line.push_back_again(at);
    }
    raise(level, 1);
  }

  // The highest level that has any; precondition: not empty().
  std::size_t top() const { return top_; }
  // The next one; precondition: not empty().
  Position front() const { return front_of(top_, Head::next); }
  // That one is delivered: in a fair queue its key's turn ends.
  void pop() {
    if (Level& l = levels_[top_]; l.turns) {
      l.turns->take_next();
    } else {
      l.line.pop();
    }
    lower();
  }

  // Within one level; no_position when it has none.
  Position front_of(std::size_t level, Head head) const {
    const Level& l = levels_[level];
    if (!l.turns) return l.line.front();
    return head == Head::next ? l.turns->next() : l.turns->oldest();
  }
  // It goes, and nobody was given it. Precondition: the level has any.
  void pop_of(std::size_t level, Head head) {
    Level& l = levels_[level];
    if (!l.turns) {
      l.line.pop();
    } else if (head == Head::next) {
      l.turns->drop_next();
    } else {
      l.turns->take_oldest();
    }
    lower();
  }
  // Those of them that are ready leave, wherever they stand; sorted. Precondition: not fair().
  void remove(std::span<const Position> gone) {
    for (Level& level : levels_) size_ -= static_cast<std::uint32_t>(level.line.remove(gone));
    while (top_ > 0 && front_of(top_, Head::next) == no_position) --top_;
  }
  // All of them, as runs of neighbours.
  template <class Visit>
  void each_run(Visit&& visit) const {
    for (const Level& level : levels_) {
      level.line.each_run(visit);
      if (level.turns) level.turns->each_run(visit);
    }
  }
  // The oldest whatever its level; precondition: not empty().
  Position oldest() const {
    Position first = UINT64_MAX;
    for (std::size_t level = 0; level <= top_; ++level) {
      if (const Position at = front_of(level, Head::oldest); at != no_position) first = std::min(first, at);
    }
    return first;
  }
  // What a full queue lets go first: the oldest of the lowest priority.
  std::size_t lowest_level() const {
    std::size_t level = 0;
    while (front_of(level, Head::next) == no_position) ++level;
    return level;
  }

 private:
  struct Level {
    ReadyLine line;                    // Unused in a fair queue.
    std::unique_ptr<FairTurns> turns;  // Null in any other.
  };
  void raise(std::size_t level, std::uint32_t by) {
    size_ += by;
    top_ = std::max(top_, level);
  }
  void lower() {
    --size_;
    while (top_ > 0 && front_of(top_, Head::next) == no_position) --top_;
  }

  std::vector<Level> levels_;
  std::size_t top_ = 0;  // No level above it has any.
  std::uint32_t size_ = 0;
};

}  // namespace wherry::broker

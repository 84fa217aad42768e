// HashIndex: from hashes to numbers: a flat table that says which of somebody's numbered things may be the one looked
// for, one cache line a look-up, and next to nothing for what is not there.
//
//   index.find(hash, [&](std::uint32_t number) { return things[number].name == name; })
//
// The things themselves, and whether one is equal, are the owner's. At most half full, so that runs are short. Limits:
// 2^31 things. Memory: 16 to 32 bytes for each. Threads: one at a time; several may find() while nobody changes it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/assert.h"

namespace wherry::broker {

class HashIndex {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  // The number for which equal(number) is true; none when there is no such.
  template <class Equal>
  std::uint32_t find(std::uint64_t hash, Equal&& equal) const {
    if (slots_.empty()) return none;
    const std::uint32_t mark = mark_of(hash);
    for (std::size_t at = home(mark);; at = next(at)) {
      const Slot& slot = slots_[at];
      if (slot.number == none) return none;
      if (slot.mark == mark && equal(slot.number)) return slot.number;
    }
  }
  // Precondition: it is not there.
  void add(std::uint64_t hash, std::uint32_t number) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    put({mark_of(hash), number});
    ++count_;
  }
  // Precondition: it is there.
  void remove(std::uint64_t hash, std::uint32_t number) {
    std::size_t hole = home(mark_of(hash));
    while (slots_[hole].number != number) {
      WHERRY_ASSERT(slots_[hole].number != none);
      hole = next(hole);
    }
    // What was pushed on by it moves back, so that no run is broken.
    for (std::size_t at = next(hole); slots_[at].number != none; at = next(at)) {
      const std::size_t wanted = home(slots_[at].mark);
      if (((at - wanted) & (slots_.size() - 1)) < ((at - hole) & (slots_.size() - 1))) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --count_;
  }
  std::size_t size() const { return count_; }

 private:
  struct Slot {
    std::uint32_t mark = 0;
    std::uint32_t number = none;
  };

  static std::uint32_t mark_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash ^ (hash >> 32)); }
  std::size_t home(std::uint32_t mark) const { return mark & (slots_.size() - 1); }
  std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
  void put(Slot slot) {
    std::size_t at = home(slot.mark);
    while (slots_[at].number != none) at = next(at);
    slots_[at] = slot;
  }
  void grow() {
    std::vector<Slot> before(slots_.empty() ? 8 : slots_.size() * 2);
    before.swap(slots_);
    for (const Slot& slot : before) {
      if (slot.number != none) put(slot);
    }
  }

  std::vector<Slot> slots_;  // As many as a power of two.
  std::size_t count_ = 0;
};

}  // namespace wherry::broker

// Slots: a queue's messages by position, and gone from memory soon after the last of their neighbours is gone.
//
// Chunks of 128 positions; a chunk that holds no live message any more is freed wherever it is, so one message that
// stays unsettled for days pins its chunk and not the millions that came after it. Two empty chunks are kept, so that a
// queue that is drained as fast as it fills does not allocate.
//
// Paging: what the store can give back need not stay. A slot without a message is *absent*: ready, and on the disk; a
// chunk of nothing but absent slots is *cold*: it takes no memory here at all, and revive() makes its slots again.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "broker/queueing/front_vector.h"
#include "broker/queueing/message_store.h"

namespace wherry::broker {

// Leaving: a dead letter not yet routed.
enum class SlotState : std::uint8_t { gone, ready, unacked, leaving };

struct Slot {
  MessageRef message;            // Null: absent.
  std::uint64_t expires_ms = 0;  // 0: never.
  std::uint32_t delivery_count = 0;
  SlotState state = SlotState::gone;
  std::uint8_t lost_count = 0;  // DeliveryCounts::lost.
  bool redelivered = false;
  bool stored = false;    // The store has it too.
  bool kept = false;      // And can give it back.
  bool spilling = false;  // On its way to where the store can.
};

class Slots {
 public:
  // One past the last position that was used.
  Position end() const { return end_; }
  // Positions below it are never taken again.
  void skip_to(Position end) { end_ = std::max(end_, end); }

  // Takes the next position, or any later one (what lies between never was).
  Slot& append(Position at) {
    WHERRY_ASSERT(at >= end_);
    const std::uint64_t index = at / chunk_positions;
    if (index != found_index_) begin_chunk(index);
    end_ = at + 1;
    ++found_->live;
    return found_->slots[at % chunk_positions];
  }

  // Null for what is gone, cold, or never was.
  Slot* find(Position at) {
    Chunk* chunk = find_chunk(at / chunk_positions);
    if (chunk == nullptr) return nullptr;
    Slot& slot = chunk->slots[at % chunk_positions];
    return slot.state == SlotState::gone ? nullptr : &slot;
  }
  Slot& at(Position position) {
    Slot* slot = find(position);
    WHERRY_ASSERT(slot);
    return *slot;
  }

  void erase(Position at) {
    Chunk& chunk = *find_chunk(at / chunk_positions);
    chunk.slots[at % chunk_positions] = Slot{};
    if (--chunk.live == 0) free_unless_tail(*find_entry(at / chunk_positions));
  }
  // Frees what is ready in [begin, end); what is unsettled stays.
  void erase_ready(Position begin, Position end) {
    for (auto entry = lower_bound(begin / chunk_positions); entry != entries_.end(); ++entry) {
      const Position first = entry->index * chunk_positions;
      if (first >= end) break;
      if (!entry->chunk) continue;
      for (Position at = std::max(begin, first); at < std::min(end, first + chunk_positions); ++at) {
        Slot& slot = entry->chunk->slots[at % chunk_positions];
        if (slot.state != SlotState::ready) continue;
        slot = Slot{};
        --entry->chunk->live;
      }
      if (entry->chunk->live == 0 && !is_tail(*entry)) spare(std::move(entry->chunk));
    }
    trim();
  }

  // Makes slots of those that the store can give: ready, absent, where there was none.
  void revive(std::uint64_t index, ChunkBits kept) {
    if (!kept.any()) return;
    auto entry = lower_bound(index);
    if (entry == entries_.end() || entry->index != index) entry = entries_.insert(entry, Entry{index, nullptr});
    if (!entry->chunk) entry->chunk = fresh_chunk();
    kept.each([&](unsigned bit) {
      Slot& slot = entry->chunk->slots[bit];
      if (slot.state != SlotState::gone) return;
      slot.state = SlotState::ready;
      slot.stored = slot.kept = true;
      ++entry->chunk->live;
    });
  }

  // Calls visit(position, slot) for what waits in chunks from `first` on, but for the one that grows.
  template <class Visit>
  void each_ready_from(std::uint64_t first, Visit&& visit) {
    for (auto entry = lower_bound(first); entry != entries_.end(); ++entry) {
      if (!entry->chunk || is_tail(*entry)) continue;
      for (std::uint64_t bit = 0; bit < chunk_positions; ++bit) {
        Slot& slot = entry->chunk->slots[bit];
        if (slot.state == SlotState::ready) visit(entry->index * chunk_positions + bit, slot);
      }
    }
  }

  // Calls visit(slot) for all that are in memory.
  template <class Visit>
  void each(Visit&& visit) {
    for (Entry& entry : entries_) {
      if (!entry.chunk) continue;
      for (Slot& slot : entry.chunk->slots) {
        if (slot.state != SlotState::gone) visit(slot);
      }
    }
  }

  // The store can give these now. Messages that wait leave the memory unless `stay`; with the last of them the chunk.
  void keep(std::uint64_t index, ChunkBits which, bool stay) {
    Entry* entry = find_entry(index);
    if (entry == nullptr || !entry->chunk) return;
    which.each([&](unsigned bit) {
      Slot& slot = entry->chunk->slots[bit];
      if (slot.state != SlotState::gone) slot.stored = slot.kept = true;
    });
    if (!stay) page_out(*entry);
  }

 private:
  struct Chunk {
    std::array<Slot, chunk_positions> slots;
    std::uint32_t live = 0;
  };
  struct Entry {
    std::uint64_t index = 0;
    std::unique_ptr<Chunk> chunk;  // Null: everything in it is gone or cold.
  };

  // The chunk that the next position goes to stays.
  bool is_tail(const Entry& entry) const { return entry.index == end_ / chunk_positions; }

  FrontVector<Entry>::iterator lower_bound(std::uint64_t index) {
    return std::lower_bound(entries_.begin(), entries_.end(), index,
                            [](const Entry& entry, std::uint64_t wanted) { return entry.index < wanted; });
  }
  Entry* find_entry(std::uint64_t index) {
    if (entries_.empty() || index < entries_.front().index || index > entries_.back().index) return nullptr;
    // Mostly they are neighbours.
    const std::uint64_t guess = index - entries_.front().index;
    if (guess < entries_.size() && entries_[guess].index == index) return &entries_[guess];
    auto found = lower_bound(index);
    return found != entries_.end() && found->index == index ? &*found : nullptr;
  }

  // Null where everything is gone or cold.
  Chunk* find_chunk(std::uint64_t index) { return index == found_index_ ? found_ : look_up(index); }
  Chunk* look_up(std::uint64_t index) {
    Entry* entry = find_entry(index);
    if (entry == nullptr || !entry->chunk) return nullptr;
    found_index_ = index;
    return found_ = entry->chunk.get();
  }
  // The chunk of the next position: its last, or a new one.
  void begin_chunk(std::uint64_t index) {
    if (entries_.empty() || entries_.back().index != index) {
      if (!entries_.empty() && entries_.back().chunk && entries_.back().chunk->live == 0) free(entries_.back());
      entries_.push_back({index, nullptr});
    }
    Entry& tail = entries_.back();
    if (!tail.chunk) tail.chunk = fresh_chunk();
    found_index_ = index;
    found_ = tail.chunk.get();
  }

  void page_out(Entry& entry) {
    std::uint32_t absent = 0;
    for (Slot& slot : entry.chunk->slots) {
      if (slot.state != SlotState::ready || !slot.kept) continue;
      slot.message.reset();
      ++absent;
    }
    if (absent < entry.chunk->live || is_tail(entry)) return;
    for (Slot& slot : entry.chunk->slots) slot = Slot{};
    entry.chunk->live = 0;
    free(entry);
  }

  void free_unless_tail(Entry& entry) {
    if (!is_tail(entry)) free(entry);
  }
  void free(Entry& entry) {
    spare(std::move(entry.chunk));
    trim();
  }
  void spare(std::unique_ptr<Chunk> chunk) {
    found_index_ = no_chunk;
    if (spare_.size() < 2) spare_.push_back(std::move(chunk));
  }
  void trim() {
    while (!entries_.empty() && !entries_.front().chunk) entries_.pop_front();
  }

  std::unique_ptr<Chunk> fresh_chunk() {
    if (spare_.empty()) return std::make_unique<Chunk>();
    auto chunk = std::move(spare_.back());
    spare_.pop_back();
    return chunk;
  }

  static constexpr std::uint64_t no_chunk = UINT64_MAX;
  FrontVector<Entry> entries_;            // By index.
  std::uint64_t found_index_ = no_chunk;  // The chunk asked for last: the next one is mostly the same.
  Chunk* found_ = nullptr;
  Position end_ = no_position + 1;
  std::vector<std::unique_ptr<Chunk>> spare_;
};

}  // namespace wherry::broker

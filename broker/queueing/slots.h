// Slots: a queue's messages by position, dense, and gone from memory soon after the last of their neighbours is gone.
//
// Chunks of 128 positions; a chunk that holds no live message any more is freed wherever it is, so one message that
// stays unsettled for days pins its chunk and not the millions that came after it. Two empty chunks are kept, so that a
// queue that is drained as fast as it fills does not allocate.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "broker/queueing/message_store.h"

namespace wherry::broker {

enum class SlotState : std::uint8_t { gone, ready, unacked, leaving };  // Leaving: a dead letter not yet routed.

struct Slot {
  MessageRef message;
  std::uint64_t expires_ms = 0;  // 0: never.
  std::uint32_t delivery_count = 0;
  SlotState state = SlotState::gone;
  bool redelivered = false;
  bool stored = false;  // The store has it too.
};

class Slots {
 public:
  // One past the last position that was used.
  Position end() const { return end_; }

  // Takes the next position, or any later one (what lies between never was).
  Slot& append(Position at) {
    WHERRY_ASSERT(at >= end_);
    if (!chunks_.empty() && first_chunk_ + chunks_.size() <= at / chunk_size) free_tail_if_empty();
    if (chunks_.empty()) first_chunk_ = at / chunk_size;
    while (first_chunk_ + chunks_.size() <= at / chunk_size) chunks_.emplace_back();
    end_ = at + 1;
    auto& chunk = chunks_[at / chunk_size - first_chunk_];
    if (!chunk) chunk = fresh_chunk();
    ++chunk->live;
    return chunk->slots[at % chunk_size];
  }

  // Null for what is gone or never was.
  Slot* find(Position at) {
    std::uint64_t index = at / chunk_size;
    if (index < first_chunk_ || index - first_chunk_ >= chunks_.size()) return nullptr;
    auto& chunk = chunks_[index - first_chunk_];
    if (!chunk) return nullptr;
    Slot& slot = chunk->slots[at % chunk_size];
    return slot.state == SlotState::gone ? nullptr : &slot;
  }
  Slot& at(Position position) {
    Slot* slot = find(position);
    WHERRY_ASSERT(slot);
    return *slot;
  }

  void erase(Position at) {
    auto& chunk = chunks_[at / chunk_size - first_chunk_];
    chunk->slots[at % chunk_size] = Slot{};
    if (--chunk->live > 0) return;
    // The chunk that the next positions go to stays.
    if (at / chunk_size == end_ / chunk_size) return;
    free(chunk);
  }

 private:
  static constexpr std::uint64_t chunk_size = 128;
  struct Chunk {
    std::array<Slot, chunk_size> slots;
    std::uint32_t live = 0;
  };

  void free_tail_if_empty() {
    auto& tail = chunks_.back();
    if (tail && tail->live == 0) free(tail);
  }

  void free(std::unique_ptr<Chunk>& chunk) {
    if (spare_.size() < 2) {
      spare_.push_back(std::move(chunk));
    } else {
      chunk.reset();
    }
    while (!chunks_.empty() && !chunks_.front()) {
      chunks_.pop_front();
      ++first_chunk_;
    }
  }

  std::unique_ptr<Chunk> fresh_chunk() {
    if (spare_.empty()) return std::make_unique<Chunk>();
    auto chunk = std::move(spare_.back());
    spare_.pop_back();
    return chunk;
  }

  std::deque<std::unique_ptr<Chunk>> chunks_;
  std::uint64_t first_chunk_ = 0;
  Position end_ = no_position + 1;
  std::vector<std::unique_ptr<Chunk>> spare_;
};

}  // namespace wherry::broker

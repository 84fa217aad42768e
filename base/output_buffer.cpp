#include "base/output_buffer.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/assert.h"

namespace wherry {

OutputBuffer::Chunk& OutputBuffer::new_tail(std::size_t count) {
  Chunk& fresh = chunks_.emplace_back();
  if (owner_ != nullptr && owner_->room() >= count) {
    // Behind a pinned block: the frames around it go where those before it went.
    fresh.data = owner_->data + owner_->used;
    fresh.end = owner_->end;
    fresh.block = std::move(owner_->block);
  } else {
    const std::size_t capacity = std::max(count, block_size);
    fresh.block = {static_cast<char*>(BlockPool::get(capacity)), Return{capacity}};
    fresh.data = fresh.block.get();
    fresh.end = fresh.data + capacity;
  }
  owner_ = tail_ = &fresh;
  return fresh;
}

void OutputBuffer::append(const char* bytes, std::size_t count) {
  while (count > 0) {
    Chunk& tail = tail_with_room(1);
    std::size_t part = std::min(count, tail.room());
    std::memcpy(const_cast<char*>(tail.data) + tail.used, bytes, part);
    tail.used += part;
    size_ += part;
    bytes += part;
    count -= part;
  }
}

void OutputBuffer::append_pinned(std::string_view bytes, Pin pin) {
  if (bytes.empty()) return;
  Chunk& chunk = chunks_.emplace_back();
  tail_ = nullptr;
  chunk.data = bytes.data();
  chunk.used = bytes.size();
  chunk.pin = std::move(pin);
  size_ += bytes.size();
}

std::size_t OutputBuffer::sendable() const {
  if (held_from_ >= total()) return size_;
  return held_from_ <= gone_ ? 0 : static_cast<std::size_t>(held_from_ - gone_);
}

int OutputBuffer::gather(iovec* into, int max) const {
  int count = 0;
  std::size_t left = sendable();
  for (const Chunk& chunk : chunks_) {
    if (count == max || left == 0) break;
    if (chunk.used == 0) continue;
    const std::size_t part = std::min(chunk.used, left);
    into[count++] = {const_cast<char*>(chunk.data), part};
    left -= part;
  }
  return count;
}

void OutputBuffer::consume(std::size_t count) {
  WHERRY_ASSERT(count <= size_);
  size_ -= count;
  gone_ += count;
  while (count > 0) {
    Chunk& head = chunks_.front();
    std::size_t part = std::min(count, head.used);
    head.data += part;
    head.used -= part;
    count -= part;
    if (head.used == 0) {
      // The pool has the block for whoever writes next: an idle connection keeps none.
      if (owner_ == &head) owner_ = nullptr;
      if (tail_ == &head) tail_ = nullptr;
      chunks_.pop_front();
    }
  }
}

void OutputBuffer::clear() {
  chunks_.clear();
  owner_ = tail_ = nullptr;
  gone_ += size_;
  size_ = 0;
}

std::string OutputBuffer::to_string() const {
  std::string all;
  all.reserve(size_);
  for (const Chunk& chunk : chunks_) all.append(chunk.data, chunk.used);
  return all;
}

}  // namespace wherry

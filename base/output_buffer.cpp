#include "base/output_buffer.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/assert.h"

namespace wherry {

namespace {
std::size_t room_in(const std::unique_ptr<char[]>& block, std::size_t capacity, const char* data, std::size_t used) {
  return block ? capacity - static_cast<std::size_t>(data - block.get()) - used : 0;
}
}  // namespace

OutputBuffer::Chunk& OutputBuffer::tail_with_room(std::size_t count) {
  if (!chunks_.empty()) {
    Chunk& tail = chunks_.back();
    if (room_in(tail.block, tail.capacity, tail.data, tail.used) >= count) return tail;
  }
  Chunk& fresh = chunks_.emplace_back();
  fresh.capacity = std::max(count, block_size);
  fresh.block = std::make_unique_for_overwrite<char[]>(fresh.capacity);
  fresh.data = fresh.block.get();
  return fresh;
}

void OutputBuffer::append(const char* bytes, std::size_t count) {
  while (count > 0) {
    Chunk& tail = tail_with_room(1);
    std::size_t part = std::min(count, room_in(tail.block, tail.capacity, tail.data, tail.used));
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
  chunk.data = bytes.data();
  chunk.used = bytes.size();
  chunk.pin = std::move(pin);
  size_ += bytes.size();
}

char* OutputBuffer::reserve(std::size_t count) {
  Chunk& tail = tail_with_room(count);
  return const_cast<char*>(tail.data) + tail.used;
}

void OutputBuffer::commit(std::size_t count) {
  WHERRY_ASSERT(!chunks_.empty());
  chunks_.back().used += count;
  size_ += count;
}

int OutputBuffer::gather(iovec* into, int max) const {
  int count = 0;
  for (const Chunk& chunk : chunks_) {
    if (count == max) break;
    if (chunk.used == 0) continue;
    into[count++] = {const_cast<char*>(chunk.data), chunk.used};
  }
  return count;
}

void OutputBuffer::consume(std::size_t count) {
  WHERRY_ASSERT(count <= size_);
  size_ -= count;
  while (count > 0) {
    Chunk& head = chunks_.front();
    std::size_t part = std::min(count, head.used);
    head.data += part;
    head.used -= part;
    count -= part;
    if (head.used == 0 && (chunks_.size() > 1 || !head.block)) chunks_.pop_front();
  }
  // One block is kept for the next write; an idle connection gives it back through clear().
  if (size_ == 0 && !chunks_.empty() && chunks_.front().block) chunks_.front().data = chunks_.front().block.get();
}

void OutputBuffer::clear() {
  chunks_.clear();
  size_ = 0;
}

std::string OutputBuffer::to_string() const {
  std::string all;
  all.reserve(size_);
  for (const Chunk& chunk : chunks_) all.append(chunk.data, chunk.used);
  return all;
}

}  // namespace wherry

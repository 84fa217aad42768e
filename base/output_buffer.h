// OutputBuffer: bytes on their way to a socket, in order. Small writes are copied and packed together; large immutable
// blocks (message bodies) are referenced and gathered.
//
// Lifetime: a pinned block is released when its last byte was consumed or the buffer goes away.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <sys/uio.h>

#include "base/block_pool.h"

namespace wherry {

// Keeps a block alive without knowing its type. Move-only; calls release(object) once.
class Pin {
 public:
  using Release = void (*)(const void*);
  Pin() = default;
  Pin(const void* object, Release release) : object_(object), release_(release) {}
  Pin(Pin&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), release_(std::exchange(other.release_, nullptr)) {}
  Pin& operator=(Pin&& other) noexcept {
    std::swap(object_, other.object_);
    std::swap(release_, other.release_);
    return *this;
  }
  ~Pin() {
    if (release_) release_(object_);
  }

 private:
  const void* object_ = nullptr;
  Release release_ = nullptr;
};

class OutputBuffer {
 public:
  // Copies the bytes.
  void append(const char* bytes, std::size_t count);
  void append(std::string_view bytes) { append(bytes.data(), bytes.size()); }

  // References the bytes; pin keeps them alive. Worth it from a few KiB up.
  void append_pinned(std::string_view bytes, Pin pin);

  // Room for count contiguous bytes to be written in place; commit() says how many were used. count is at most 64 KiB.
  char* reserve(std::size_t count) {
    Chunk& tail = tail_with_room(count);
    return const_cast<char*>(tail.data) + tail.used;
  }
  // Precondition: nothing else was called since reserve().
  void commit(std::size_t count) {
    tail_->used += count;
    size_ += count;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Bytes that were ever appended.
  std::uint64_t total() const { return gone_ + size_; }

  // What comes after the first so many of total() is kept back: gather() does not give it until it is let go.
  void hold_from(std::uint64_t total) { held_from_ = total; }
  void let_go() { held_from_ = UINT64_MAX; }
  std::size_t sendable() const;

  // Fills up to max entries with the front of the buffer, as far as it is sendable; returns how many.
  int gather(iovec* into, int max) const;
  // Drops count bytes from the front. Precondition: count <= size().
  void consume(std::size_t count);
  void clear();

  // All bytes, copied: for tests and tools.
  std::string to_string() const;

 private:
  static constexpr std::size_t block_size = 16 * 1024;
  struct Return {
    std::size_t size;  // As it was asked for.
    void operator()(char* block) const { BlockPool::put(block, size); }
  };
  struct Chunk {
    // Of copied bytes. Chunks that share a block, with pinned ones between, are consumed in their order: the last owns
    // it.
    std::unique_ptr<char[], Return> block;
    const char* end = nullptr;   // Of the block.
    const char* data = nullptr;  // First byte not yet consumed.
    std::size_t used = 0;        // Bytes from data on.
    Pin pin;

    std::size_t room() const { return block ? static_cast<std::size_t>(end - data) - used : 0; }
  };
  Chunk& tail_with_room(std::size_t count) {
    return tail_ != nullptr && tail_->room() >= count ? *tail_ : new_tail(count);
  }
  Chunk& new_tail(std::size_t count);

  std::deque<Chunk> chunks_;
  Chunk* tail_ = nullptr;   // The last one, if bytes may be copied to its end.
  Chunk* owner_ = nullptr;  // The last one with a block, if it is there still.
  std::size_t size_ = 0;
  std::uint64_t gone_ = 0;
  std::uint64_t held_from_ = UINT64_MAX;
};

}  // namespace wherry

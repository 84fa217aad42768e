// OutputBuffer: bytes on their way to a socket, in order. Small writes are copied and packed together; large immutable
// blocks (message bodies) are referenced and gathered.
//
// Lifetime: a pinned block is released when its last byte was consumed or the buffer goes away.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <sys/uio.h>

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
  char* reserve(std::size_t count);
  void commit(std::size_t count);

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Fills up to max entries with the front of the buffer; returns how many.
  int gather(iovec* into, int max) const;
  // Drops count bytes from the front. Precondition: count <= size().
  void consume(std::size_t count);
  void clear();

  // All bytes, copied: for tests and tools.
  std::string to_string() const;

 private:
  static constexpr std::size_t block_size = 16 * 1024;
  struct Chunk {
    std::unique_ptr<char[]> block;  // Empty when pinned.
    std::size_t capacity = 0;
    const char* data = nullptr;  // First byte not yet consumed.
    std::size_t used = 0;        // Bytes from data on.
    Pin pin;
  };
  Chunk& tail_with_room(std::size_t count);

  std::deque<Chunk> chunks_;
  std::size_t size_ = 0;
};

}  // namespace wherry

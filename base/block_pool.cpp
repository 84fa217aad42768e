#include "base/block_pool.h"

#include <array>
#include <new>
#include <utility>

namespace wherry {

namespace {

constexpr std::size_t step = 64;
constexpr std::size_t largest = 16 * 1024;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t most_kept = 0;
#else
constexpr std::size_t most_kept = 4u << 20;
#endif

// The first bytes of a free block.
struct Free {
  Free* next;
};

struct Kept {
  std::array<Free*, largest / step> by_size{};
  std::size_t bytes = 0;
  bool ended = false;  // The thread is ending: what is freed later goes back at once.

  constexpr Kept() = default;
  ~Kept() {
    ended = true;
    for (Free*& first : by_size) {
      while (first != nullptr) ::operator delete(std::exchange(first, first->next));
    }
  }
};
thread_local constinit Kept kept;

constexpr std::size_t rounded(std::size_t size) {
  return (size + step - 1) / step * step;
}

}  // namespace

void* BlockPool::get(std::size_t size) {
  if (size == 0 || size > largest) return ::operator new(size);
  size = rounded(size);
  Free*& first = kept.by_size[size / step - 1];
  if (first == nullptr) return ::operator new(size);
  kept.bytes -= size;
  return std::exchange(first, first->next);
}

void BlockPool::put(void* block, std::size_t size) noexcept {
  if (size == 0 || size > largest) return ::operator delete(block);
  size = rounded(size);
  if (kept.ended || kept.bytes + size > most_kept) return ::operator delete(block);
  Free*& first = kept.by_size[size / step - 1];
  first = new (block) Free{first};
  kept.bytes += size;
}

}  // namespace wherry

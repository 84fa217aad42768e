// BlockPool: memory for small blocks of all sizes that come and go by the million, such as messages. A freed block is
// the next one given out of its size: still warm, and without the allocator's bookkeeping.
//
// A size is rounded up to 64 bytes; above 16 KiB the allocator is asked every time. Each thread keeps at most 4 MiB of
// freed blocks; a block may be freed on another thread than it was made on. Threads: any. Under AddressSanitizer and
// ThreadSanitizer nothing is kept, so that they see each block's life.
#pragma once

#include <cstddef>

namespace wherry {

class BlockPool {
 public:
  // Throws std::bad_alloc as operator new does. Aligned for anything.
  static void* get(std::size_t size);
  // size: as it was asked for.
  static void put(void* block, std::size_t size) noexcept;
};

}  // namespace wherry

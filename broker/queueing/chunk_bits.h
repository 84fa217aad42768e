// ChunkBits: which of the 128 positions of a chunk are meant. A queue's messages are kept, paged out and brought back
// by chunks: chunk n holds the positions from 128 n to 128 n + 127.
#pragma once

#include <bit>
#include <cstdint>

namespace wherry::broker {

constexpr std::uint64_t chunk_positions = 128;

struct ChunkBits {
  std::uint64_t low = 0;  // Positions 0 to 63 of the chunk.
  std::uint64_t high = 0;

  static ChunkBits of(unsigned index) {
    ChunkBits bits;
    bits.set(index);
    return bits;
  }
  // Those from first to before end; end is at most 128.
  static ChunkBits range(unsigned first, unsigned end) { return below(end) - below(first); }
  static ChunkBits below(unsigned end) {
    const auto ones = [](unsigned count) { return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1; };
    return {ones(end), end > 64 ? ones(end - 64) : 0};
  }

  bool any() const { return (low | high) != 0; }
  unsigned count() const { return static_cast<unsigned>(std::popcount(low) + std::popcount(high)); }
  bool test(unsigned index) const { return ((index < 64 ? low >> index : high >> (index - 64)) & 1) != 0; }
  void set(unsigned index) { (index < 64 ? low : high) |= std::uint64_t{1} << (index % 64); }
  // The lowest one set; 128 when there is none.
  unsigned first() const {
    return low != 0 ? static_cast<unsigned>(std::countr_zero(low)) : 64 + static_cast<unsigned>(std::countr_zero(high));
  }
  // The highest one set; precondition: any().
  unsigned last() const {
    return high != 0 ? 127 - static_cast<unsigned>(std::countl_zero(high))
                     : 63 - static_cast<unsigned>(std::countl_zero(low));
  }
  template <class Visit>
  void each(Visit&& visit) const {
    for (std::uint64_t rest = low; rest != 0; rest &= rest - 1) visit(static_cast<unsigned>(std::countr_zero(rest)));
    for (std::uint64_t rest = high; rest != 0; rest &= rest - 1) {
      visit(64 + static_cast<unsigned>(std::countr_zero(rest)));
    }
  }

  friend ChunkBits operator&(ChunkBits a, ChunkBits b) { return {a.low & b.low, a.high & b.high}; }
  friend ChunkBits operator|(ChunkBits a, ChunkBits b) { return {a.low | b.low, a.high | b.high}; }
  // Those of a that are not in b.
  friend ChunkBits operator-(ChunkBits a, ChunkBits b) { return {a.low & ~b.low, a.high & ~b.high}; }
  friend bool operator==(ChunkBits a, ChunkBits b) = default;
};

}  // namespace wherry::broker

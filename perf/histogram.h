// Histogram: how often which value came, for quantiles of millions of measurements in constant memory.
//
//   Histogram h;  h.add(1'234);  h.quantile(0.99)
//
// Values below 256 are exact; above, a bucket is less than 1 % of its value wide (128 buckets for each power of two).
// Limits: any 64-bit value; 60 KiB each. The unit is the caller's (nanoseconds everywhere in perf/).
// Threads: one at a time; merge() brings together what several threads have counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace wherry::perf {

class Histogram {
 public:
  Histogram() : counts_(bucket_count) {}

  void add(std::uint64_t value) {
    ++counts_[bucket_of(value)];
    ++count_;
    if (value > max_) max_ = value;
  }
  void merge(const Histogram& other);
  void clear() { *this = Histogram(); }

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  // The smallest value that share of all values do not exceed, rounded up to its bucket's end; 0 of an empty one.
  // share: 0 to 1.
  std::uint64_t quantile(double share) const;

  // The buckets that hold something, ascending: values from first to last, both inclusive.
  struct Bucket {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t count = 0;
  };
  std::vector<Bucket> buckets() const;

 private:
  static constexpr unsigned sub_bits = 7;
  static constexpr std::size_t per_octave = std::size_t(1) << sub_bits;
  static constexpr std::size_t bucket_count = (64 - sub_bits + 1) * per_octave;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < 2 * per_octave) return static_cast<std::size_t>(value);
    const unsigned shift = 63u - static_cast<unsigned>(__builtin_clzll(value)) - sub_bits;
    return shift * per_octave + static_cast<std::size_t>(value >> shift);
  }
  static std::uint64_t first_of(std::size_t bucket);
  static std::uint64_t last_of(std::size_t bucket);

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace wherry::perf

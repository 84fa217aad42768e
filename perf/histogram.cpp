#include "perf/histogram.h"

#include <algorithm>
#include <cmath>

namespace wherry::perf {

std::uint64_t Histogram::first_of(std::size_t bucket) {
  if (bucket < 2 * per_octave) return bucket;
  const std::size_t shift = bucket / per_octave - 1;
  return static_cast<std::uint64_t>(bucket - shift * per_octave) << shift;
}

std::uint64_t Histogram::last_of(std::size_t bucket) {
  if (bucket < 2 * per_octave) return bucket;
  const std::size_t shift = bucket / per_octave - 1;
  return first_of(bucket) + ((std::uint64_t(1) << shift) - 1);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::quantile(double share) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  const std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(last_of(i), max_);
  }
  return max_;
}

std::vector<Histogram::Bucket> Histogram::buckets() const {
  std::vector<Bucket> found;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] > 0) found.push_back({first_of(i), last_of(i), counts_[i]});
  }
  return found;
}

}  // namespace wherry::perf

// Unconfirmed: the delivery tags of one publisher that the broker has not confirmed yet, with the time each was sent.
//
// Tags count from 1, as in a channel in confirm mode. Confirms may come one by one, in any order, or "all up to".
// Costs one store to add and one read to settle. Limits: memory is 8 bytes for the longest outstanding span.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace wherry::perf {

class Unconfirmed {
 public:
  Unconfirmed() : sent_(1024) {}

  // The next tag was published. sent_ns: not 0.
  void add(std::uint64_t sent_ns) {
    if (next_ - oldest_ == sent_.size()) grow();
    sent_[next_ & (sent_.size() - 1)] = sent_ns;
    ++next_;
    ++outstanding_;
  }

  // Calls each(sent_ns) for every tag that this settles. False for a tag that was never published. Tag 0 with multiple
  // means all of them, as AMQP has it; a tag settled before is settled no second time.
  template <class Each>
  bool settle(std::uint64_t tag, bool multiple, Each&& each) {
    if (tag == 0 && multiple) tag = next_ - 1;
    if (tag >= next_ || (tag == 0 && next_ > 1)) return false;
    for (std::uint64_t at = multiple ? oldest_ : tag; at <= tag; ++at) settle_one(at, each);
    while (oldest_ < next_ && sent_[oldest_ & (sent_.size() - 1)] == 0) ++oldest_;
    return true;
  }

  std::uint64_t outstanding() const { return outstanding_; }

 private:
  template <class Each>
  void settle_one(std::uint64_t tag, Each&& each) {
    if (tag < oldest_) return;
    std::uint64_t& sent = sent_[tag & (sent_.size() - 1)];
    if (sent == 0) return;
    each(sent);
    sent = 0;
    --outstanding_;
  }
  void grow() {
    std::vector<std::uint64_t> larger(sent_.size() * 2);
    for (std::uint64_t tag = oldest_; tag < next_; ++tag) {
      larger[tag & (larger.size() - 1)] = sent_[tag & (sent_.size() - 1)];
    }
    sent_.swap(larger);
  }

  std::vector<std::uint64_t> sent_;  // By tag modulo its size, a power of two; 0: settled.
  std::uint64_t oldest_ = 1;         // No tag below is outstanding.
  std::uint64_t next_ = 1;
  std::uint64_t outstanding_ = 0;
};

}  // namespace wherry::perf

// ShardPulse: whether the loop of every shard turns. Each is given something to do and is asked, at the next look,
// whether it has done it.
//
// Threads: one; the shards' loops hear of it. Lifetime: may go before the shards have answered.
#pragma once

#include <atomic>
#include <memory>

#include "broker/shard/broker.h"

namespace wherry::broker {

class ShardPulse {
 public:
  explicit ShardPulse(const Shared& shared) : shared_(shared) {}
  // Since the last look that was true, all have turned.
  bool look();

 private:
  const Shared& shared_;
  std::shared_ptr<std::atomic<std::size_t>> missing_;  // Null: not asked yet.
};

}  // namespace wherry::broker

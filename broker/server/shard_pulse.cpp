#include "broker/server/shard_pulse.h"

#include "broker/shard/shard.h"

namespace wherry::broker {

bool ShardPulse::look() {
  if (missing_ && missing_->load(std::memory_order_acquire) > 0) return false;
  missing_ = std::make_shared<std::atomic<std::size_t>>(shared_.shards().size());
  for (const auto& shard : shared_.shards()) {
    shard->loop().post([missing = missing_] { missing->fetch_sub(1, std::memory_order_release); });
  }
  return true;
}

}  // namespace wherry::broker

// MemoryStore: a MessageStore for brokers that keep nothing and for tests. What it was given it has, as long as the
// process lives: every record is durable at once, so nobody ever waits for on_durable().
//
// Threads: the shard's.
#pragma once

#include <map>
#include <unordered_map>

#include "broker/queueing/message_store.h"

namespace wherry::broker {

class MemoryStore final : public MessageStore {
 public:
  Lsn append(QueueId queue, Position at, const MessageRef& message) override;
  Lsn settle(QueueId queue, Position at) override;
  void attempted(QueueId queue, Position at, std::uint32_t delivery_count) override;
  Lsn settle_below(QueueId queue, Position end) override;
  Lsn drop(QueueId queue) override;
  MessageRef load(QueueId queue, Position at) override;
  void recover(QueueId queue, const std::function<void(const Recovered&)>& each) override;
  Lsn durable() const override { return last_; }
  void on_durable(std::function<void(Lsn)>) override {}

  std::size_t kept(QueueId queue) const;

 private:
  struct Kept {
    MessageRef message;
    std::uint32_t delivery_count = 0;
  };
  std::unordered_map<QueueId, std::map<Position, Kept>> queues_;
  Lsn last_ = 0;
};

}  // namespace wherry::broker

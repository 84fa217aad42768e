// MemoryStore: a MessageStore for brokers that keep nothing and for tests. What it was given it has, as long as the
// process lives: every record is durable at once, so nobody ever waits for on_durable().
//
// Threads: the shard's.
#pragma once

#include <map>
#include <unordered_map>

#include "broker/store/schedule.h"

namespace wherry::broker {

class MemoryStore : public MessageStore {
 public:
  MemoryStore();
  ~MemoryStore() override;
  Lsn append(QueueId queue, Position at, const MessageRef& message, Durability durability) override;
  Lsn append_released(QueueId queue, Position at, const MessageRef& message, Durability durability,
                      const ScheduleKey&) override {
    return append(queue, at, message, durability);
  }
  void settle(QueueId queue, Position at) override;
  void settle_range(QueueId queue, Position first, Position end) override;
  void attempted(QueueId queue, Position at, std::uint32_t delivery_count) override;
  void drop(QueueId queue) override;
  Lsn note(QueueId queue, std::string_view text, Durability durability) override;
  void recover_notes(QueueId queue, const std::function<void(Lsn, std::string_view)>& each) override;
  void on_renew_notes(RenewNotes) override {}
  void load(QueueId queue, Position at, const std::function<void(const Loaded&)>& each) override;
  ChunkBits kept_in(QueueId, std::uint64_t) override { return {}; }
  void on_kept(OnKept) override {}
  Position recover(QueueId queue, const std::function<void(const Loaded&)>& message,
                   const std::function<void(const Page&)>& page) override;
  void recovered_all() override {}
  DelayStore& delays() override;
  void commit() override {}
  Lsn durable() const override { return last_; }
  void on_durable(std::function<void()>) override {}

  std::size_t kept(QueueId queue) const;

 private:
  struct Kept {
    MessageRef message;
    std::uint32_t delivery_count = 0;
  };
  std::unordered_map<QueueId, std::map<Position, Kept>> queues_;
  std::map<QueueId, std::vector<std::pair<Lsn, std::string>>> notes_;
  Lsn last_ = 0;
  struct Delays;
  std::unique_ptr<Delays> delays_;
};

}  // namespace wherry::broker

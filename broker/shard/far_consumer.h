// FarConsumer: at a queue's home, the stand-in for a consumer whose channel lives on another shard.
//
// It sends deliveries on as mail, at most window of them on their way at once. The channel has the last word: what it
// has no room for comes back, and from then on everything that was under way. Only when all of it is back and the
// channel has said resume does the queue go on, so that order is kept; the epoch, which counts the resumes, tells the
// channel's shard a delivery that was under way from a new one. A consumer without ack is one with ack to the queue:
// what the channel took is settled when it says so, and what it did not take is not lost. Threads: the home shard's.
#pragma once

#include <cstdint>

#include "broker/shard/mail.h"

namespace wherry::broker {

class FarConsumer final : public Consumer {
 public:
  FarConsumer(Shard& home, unsigned away, ConsumerKey key, Queue& queue, bool no_ack)
      : home_(home), away_(away), key_(key), queue_(queue), no_ack_(no_ack) {}

  bool deliver(const Delivery& delivery) override;
  void on_queue_deleted() override;

  void took(std::span<const Position> positions);
  void resume(std::uint32_t epoch);
  void give_back(Position position);
  void set_prefetch(std::uint32_t prefetch) {
    if (!no_ack_) queue_.set_prefetch(*this, prefetch);
  }

  ConsumerKey key() const { return key_; }
  Queue& queue() { return queue_; }

 private:
  static constexpr std::uint32_t window = 512;

  Shard& home_;
  const unsigned away_;
  void resume_when_all_is_back();

  const ConsumerKey key_;
  Queue& queue_;
  const bool no_ack_;
  std::uint32_t epoch_ = 0;
  std::uint32_t under_way_ = 0;  // Sent, and neither taken nor given back.
  bool refused_ = false;         // The channel gave something back; until it resumed and all is back.
  bool resume_asked_ = false;    // The channel has room again.
  bool parked_ = false;          // The queue was told no and waits for resume().
};

}  // namespace wherry::broker

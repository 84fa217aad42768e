// FarConsumer: at a queue's home, the stand-in for a consumer whose channel lives on another shard.
//
// It sends deliveries on as mail, at most window of them on their way at once. The channel has the last word: what it
// has no room for comes back, and from then on everything that was under way. Only when all of it is back and the
// channel has said resume does the queue go on, so that order is kept; the epoch, which counts the resumes, tells the
// channel's shard a delivery that was under way from a new one. A consumer without ack is one with ack to the queue:
// what the channel took is settled when it says so, and what it did not take is not lost.
//
// Lifetime: until its queue is deleted, its channel has left, or it was cancelled and nothing is under way any more. In
// that last time the queue does not know it, and may be gone: it is looked up. Threads: the home shard's.
#pragma once

#include <cstdint>
#include <deque>

#include "broker/shard/mail.h"

namespace wherry::broker {

class FarConsumer final : public Consumer {
 public:
  // Delivers nothing before the first resume().
  FarConsumer(Shard& home, unsigned away, ConsumerKey key, QueueId queue, bool no_ack)
      : home_(home), away_(away), key_(key), queue_(queue), no_ack_(no_ack) {}

  bool deliver(const Delivery& delivery) override;
  void on_queue_deleted() override;  // Destroys this.

  // In the order in which they were delivered, as they come from the channel's shard. May destroy this.
  void took(std::span<const DeliveryId> deliveries);
  void give_back(const DeliveryId& delivery);
  void resume(std::uint32_t epoch);
  void set_prefetch(std::uint32_t prefetch);
  // Takes it from its queue; what is under way still comes to an end. May destroy this.
  void cancel();
  // Takes it from its queue, and what is under way back to it. The caller destroys this.
  void leave();

 private:
  static constexpr std::size_t window = 512;

  void end_under_way(const DeliveryId& delivery);
  void resume_when_all_is_back();
  bool drop_when_over();

  Shard& home_;
  const unsigned away_;
  const ConsumerKey key_;
  const QueueId queue_;
  const bool no_ack_;
  std::uint32_t epoch_ = 0;
  std::deque<DeliveryId> under_way_;  // Sent, and neither taken nor given back.
  bool refused_ = true;               // The channel gave something back; until it resumed and all is back.
  bool resume_asked_ = false;         // The channel has room again.
  bool parked_ = false;               // The queue was told no and waits for resume().
  bool cancelled_ = false;
};

}  // namespace wherry::broker

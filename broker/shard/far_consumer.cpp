#include "broker/shard/far_consumer.h"

#include "base/assert.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

bool FarConsumer::deliver(const Delivery& delivery) {
  if (refused_ || under_way_ >= window) {
    parked_ = true;
    return false;
  }
  ++under_way_;
  home_.send(away_, mail::Deliver{key_, queue_.entry().id, home_.shard(), epoch_, delivery});
  return true;
}

void FarConsumer::on_queue_deleted() {
  home_.send(away_, mail::QueueDeleted{key_});
  home_.drop_stand_in(key_);  // Destroys this.
}

void FarConsumer::took(std::span<const Position> positions) {
  WHERRY_ASSERT(under_way_ >= positions.size());
  under_way_ -= static_cast<std::uint32_t>(positions.size());
  if (no_ack_) queue_.ack(this, positions);
  if (refused_) {
    resume_when_all_is_back();
  } else if (std::exchange(parked_, false)) {
    queue_.resume(*this);
  }
}

void FarConsumer::give_back(Position position) {
  WHERRY_ASSERT(under_way_ > 0);
  --under_way_;
  refused_ = true;
  queue_.give_back(*this, {&position, 1});
  resume_when_all_is_back();
}

void FarConsumer::resume(std::uint32_t epoch) {
  epoch_ = epoch;
  resume_asked_ = true;
  resume_when_all_is_back();
}

void FarConsumer::resume_when_all_is_back() {
  if (!resume_asked_ || under_way_ > 0) return;
  resume_asked_ = false;
  refused_ = false;
  parked_ = false;
  queue_.resume(*this);
}

}  // namespace wherry::broker

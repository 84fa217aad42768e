#include "broker/shard/far_consumer.h"

#include "base/assert.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

bool FarConsumer::deliver(const Delivery& delivery) {
  if (refused_ || under_way_.size() >= window) {
    parked_ = true;
    return false;
  }
  under_way_.push_back(delivery.id());
  home_.send(away_, mail::Deliver{key_, queue_, home_.shard(), epoch_, delivery});
  return true;
}

void FarConsumer::on_queue_deleted() {
  home_.send(away_, mail::QueueDeleted{key_});
  home_.drop_stand_in(key_);
}

void FarConsumer::end_under_way(const DeliveryId& delivery) {
  WHERRY_ASSERT(!under_way_.empty() && under_way_.front() == delivery);
  under_way_.pop_front();
}

void FarConsumer::took(std::span<const DeliveryId> deliveries) {
  for (const DeliveryId& delivery : deliveries) end_under_way(delivery);
  Queue* queue = home_.find_queue(queue_);
  if (queue != nullptr && no_ack_) queue->ack(this, deliveries);
  if (drop_when_over()) return;
  if (refused_) {
    resume_when_all_is_back();
  } else if (queue != nullptr && std::exchange(parked_, false)) {
    queue->resume(*this);
  }
}

void FarConsumer::give_back(const DeliveryId& delivery) {
  end_under_way(delivery);
  refused_ = true;
  if (Queue* queue = home_.find_queue(queue_)) queue->give_back(*this, {&delivery, 1});
  if (drop_when_over()) return;
  resume_when_all_is_back();
}

void FarConsumer::resume(std::uint32_t epoch) {
  epoch_ = epoch;
  resume_asked_ = true;
  resume_when_all_is_back();
}

void FarConsumer::resume_when_all_is_back() {
  if (!resume_asked_ || !under_way_.empty()) return;
  resume_asked_ = false;
  refused_ = false;
  parked_ = false;
  if (Queue* queue = home_.find_queue(queue_)) queue->resume(*this);
}

void FarConsumer::set_prefetch(std::uint32_t prefetch) {
  Queue* queue = home_.find_queue(queue_);
  if (queue != nullptr && !no_ack_) queue->set_prefetch(*this, prefetch);
}

void FarConsumer::cancel() {
  cancelled_ = true;
  if (Queue* queue = home_.find_queue(queue_)) queue->remove_consumer(*this);
  drop_when_over();
}

bool FarConsumer::drop_when_over() {
  if (!cancelled_ || !under_way_.empty()) return false;
  home_.drop_stand_in(key_);
  return true;
}

void FarConsumer::leave() {
  Queue* queue = home_.find_queue(queue_);
  if (queue == nullptr) return;
  if (!cancelled_) queue->remove_consumer(*this);
  const std::vector<DeliveryId> back(under_way_.begin(), under_way_.end());
  queue->give_back(*this, back);
}

}  // namespace wherry::broker

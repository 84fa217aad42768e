#include "broker/shard/mailbox.h"

#include <iterator>

namespace wherry::broker {

void Mailbox::put(std::vector<Mail>& batch) {
  std::size_t bytes = 0;
  for (const Mail& each : batch) {
    if (const auto* publish = std::get_if<mail::Publish>(&each)) bytes += publish->message->footprint();
    if (const auto* reply = std::get_if<mail::Reply>(&each)) bytes += reply->message->footprint();
  }
  bool was_empty = false;
  {
    std::lock_guard lock(mutex_);
    was_empty = box_.empty();
    if (was_empty) {
      box_.swap(batch);
    } else {
      box_.insert(box_.end(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
    }
    letters_.store(box_.size(), std::memory_order_relaxed);
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  batch.clear();
  if (was_empty) wake_();
}

std::vector<Mail> Mailbox::take() {
  std::lock_guard lock(mutex_);
  letters_.store(0, std::memory_order_relaxed);
  bytes_.store(0, std::memory_order_relaxed);
  return std::exchange(box_, {});
}

}  // namespace wherry::broker

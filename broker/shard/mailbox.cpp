#include "broker/shard/mailbox.h"

#include <iterator>

namespace wherry::broker {

void Mailbox::put(std::vector<Mail>& batch) {
  bool was_empty = false;
  {
    std::lock_guard lock(mutex_);
    was_empty = box_.empty();
    if (was_empty) {
      box_.swap(batch);
    } else {
      box_.insert(box_.end(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
    }
    waiting_.store(box_.size(), std::memory_order_relaxed);
  }
  batch.clear();
  if (was_empty) wake_();
}

std::vector<Mail> Mailbox::take() {
  std::lock_guard lock(mutex_);
  waiting_.store(0, std::memory_order_relaxed);
  return std::exchange(box_, {});
}

}  // namespace wherry::broker

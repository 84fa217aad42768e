#include "broker/session/publisher_gate.h"

#include <utility>

namespace wherry::broker {

bool PublisherGate::set_waiting(std::size_t bytes) {
  const bool behind = bytes > (behind_ ? most_waiting_ / 2 : most_waiting_);
  behind_.store(behind, std::memory_order_relaxed);
  return decide();
}

bool PublisherGate::set_others_behind(bool behind) {
  others_behind_ = behind;
  return decide();
}

bool PublisherGate::set_alarm(std::string reason) {
  const bool other = reason != alarm_;
  alarm_ = std::move(reason);
  return decide() || other;
}

bool PublisherGate::decide() {
  const bool before = std::exchange(open_, !behind_ && !others_behind_ && alarm_.empty());
  return before != open_;
}

}  // namespace wherry::broker

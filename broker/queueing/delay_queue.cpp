#include "broker/queueing/delay_queue.h"

#include <algorithm>
#include <utility>

namespace wherry::broker {

void DelayQueue::add(MessageRef message, std::uint64_t due_ms) {
  bytes_ += message->footprint();
  heap_.push_back({due_ms, next_sequence_++, std::move(message)});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

std::optional<std::uint64_t> DelayQueue::next_due() const {
  if (heap_.empty()) return {};
  return heap_.front().due_ms;
}

MessageRef DelayQueue::take_due(std::uint64_t now_ms) {
  if (heap_.empty() || heap_.front().due_ms > now_ms) return nullptr;
  std::pop_heap(heap_.begin(), heap_.end(), later);
  Waiting due = std::move(heap_.back());
  heap_.pop_back();
  bytes_ -= due.message->footprint();
  return Message::restamped(due.message, due.due_ms);
}

std::size_t DelayQueue::drop(std::string_view exchange) {
  std::size_t dropped = std::erase_if(heap_, [&](const Waiting& waiting) {
    if (waiting.message->exchange() != exchange) return false;
    bytes_ -= waiting.message->footprint();
    return true;
  });
  std::make_heap(heap_.begin(), heap_.end(), later);
  return dropped;
}

}  // namespace wherry::broker

// DeliveryTimes: when a queue's unsettled deliveries were made, in that order, so that one look at the oldest tells
// whether any has taken too long.
//
// Settled deliveries are not taken out one by one: they are passed over when they are the oldest, and swept out when
// they are most of what is here. Whether a delivery is still open its owner says: open(DeliveryId). Cost: constant for
// each delivery, over time. Memory: 32 bytes for each unsettled delivery, twice that at most, and 4 KiB.
#pragma once

#include <algorithm>
#include <deque>

#include "broker/queueing/queue.h"

namespace wherry::broker {

class DeliveryTimes {
 public:
  struct Made {
    DeliveryId delivery;
    std::uint64_t at_ms = 0;
    std::uint64_t consumer = 0;  // ConsumerRecord::joined; 0: by get.
  };

  // unsettled: how many deliveries are open, this one included.
  template <class Open>
  void add(Made made, std::size_t unsettled, Open&& open) {
    // The clock may have been set back.
    if (!made_.empty()) made.at_ms = std::max(made.at_ms, made_.back().at_ms);
    if (made_.size() >= 2 * unsettled + 64) {
      std::erase_if(made_, [&](const Made& each) { return !open(each.delivery); });
    }
    made_.push_back(made);
  }
  // It was given back as if it had never been made; that is mostly one of the newest.
  void take_back(const DeliveryId& delivery) {
    auto found =
        std::find_if(made_.rbegin(), made_.rend(), [&](const Made& each) { return each.delivery == delivery; });
    if (found != made_.rend()) found->delivery = {};
  }
  // The oldest that is open; null when there is none.
  template <class Open>
  const Made* oldest(Open&& open) {
    while (!made_.empty() && !open(made_.front().delivery)) made_.pop_front();
    return made_.empty() ? nullptr : &made_.front();
  }
  void pop_oldest() { made_.pop_front(); }
  // Deliveries in memory, settled ones that were not swept out yet included.
  std::size_t size() const { return made_.size(); }

 private:
  std::deque<Made> made_;
};

}  // namespace wherry::broker

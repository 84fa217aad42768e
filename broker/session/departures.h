// Departures: the consumers and unsettled deliveries of channels that end together, by queue.
//
// A connection that ends gives back what all of its channels had in one go, so that each queue has its order again
// before somebody else is given the first of it. Threads: its session's.
#pragma once

#include <map>
#include <vector>

#include "broker/session/host.h"
#include "broker/session/unsettled.h"

namespace wherry::broker {

class Departures {
 public:
  void add(const QueueEntryRef& queue, ConsumerKey consumer);
  void add(Unsettled::Entry unsettled);
  // Host::leave() for each queue; the consumers must still be there, and may go then. lost: the connection vanished.
  void tell(Host& host, bool lost);

 private:
  struct Leaving {
    QueueEntryRef queue;
    std::vector<ConsumerKey> consumers;
    std::vector<DeliveryId> unsettled;
  };
  std::map<std::uint64_t, Leaving> queues_;  // By QueueEntry::id.
};

}  // namespace wherry::broker

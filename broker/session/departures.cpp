#include "broker/session/departures.h"

#include <utility>

namespace wherry::broker {

void Departures::add(const QueueEntryRef& queue, ConsumerKey consumer) {
  Leaving& leaving = queues_[queue->id];
  leaving.queue = queue;
  leaving.consumers.push_back(consumer);
}

void Departures::add(Unsettled::Entry unsettled) {
  Leaving& leaving = queues_[unsettled.queue->id];
  leaving.unsettled.push_back(unsettled.delivery());
  leaving.queue = std::move(unsettled.queue);
}

void Departures::tell(Host& host, bool lost) {
  for (auto& [id, leaving] : std::exchange(queues_, {})) {
    host.leave(leaving.queue, std::move(leaving.consumers), std::move(leaving.unsettled), lost);
  }
}

}  // namespace wherry::broker

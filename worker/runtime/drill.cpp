// The mishaps of a drill, and the one place where a task that has come to its end is acknowledged.
#include "worker/runtime/drill.h"

#include <utility>

#include <fmt/format.h>

#include "worker/runtime/runtime.h"

namespace wherry::worker {

bool Runtime::befalls(const AttemptRef& attempt, Moment moment) {
  if (config_.drill == nullptr) return false;
  if (dead_) return true;
  const sdk::DeliveryRef& ref = attempt->delivery().ref;
  if (moment == Moment::before_run) {
    auto mishap = config_.drill->received(attempt->task());
    if (!mishap) return false;
    if (mishap->moment != moment) {
      mishaps_.emplace_back(ref, *mishap);
      return false;
    }
    return befall(attempt->delivery(), *mishap);
  }
  const auto mishap = take_mishap(ref, moment);
  if (mishap && mishap->kind == Mishap::Kind::disconnect) attempt->lost = true;
  return mishap && befall(attempt->delivery(), *mishap);
}

std::optional<Mishap> Runtime::take_mishap(const sdk::DeliveryRef& ref, Moment moment) {
  for (auto each = mishaps_.begin(); each != mishaps_.end(); ++each) {
    if (each->first != ref || each->second.moment != moment) continue;
    const Mishap mishap = each->second;
    mishaps_.erase(each);
    return mishap;
  }
  return std::nullopt;
}

// Whether the attempt comes to nothing more here.
bool Runtime::befall(const sdk::Delivery& delivery, const Mishap& mishap) {
  switch (mishap.kind) {
    case Mishap::Kind::crash:
      dead_ = true;
      config_.drill->died();
      return true;
    case Mishap::Kind::disconnect:
      link_.drop("the connection was lost in a drill");
      return mishap.moment == Moment::before_run;
    case Mishap::Kind::duplicate:
      link_.nack(delivery.ref, true);
      return true;
    case Mishap::Kind::delay: {
      sdk::Publication again;
      again.properties = delivery.properties;
      again.body = delivery.body;
      link_.publish_delayed(std::move(again), delivery.queue, mishap.delay,
                            settles(delivery.ref, "a task that is to come late", {}, {}));
      return true;
    }
  }
  return false;
}

void Runtime::acknowledge(const sdk::DeliveryRef& delivery) {
  if (config_.drill != nullptr) {
    if (dead_) return;
    sdk::Delivery only_this;
    only_this.ref = delivery;
    const auto mishap = take_mishap(delivery, Moment::before_ack);
    if (mishap && befall(only_this, *mishap)) return;
  }
  link_.ack(delivery);
}

}  // namespace wherry::worker

// Tap: who else hears what clients publish to an exchange, beside the queues it goes to: the management API hears
// events of tasks, and answers to what it has asked workers.
//
// Only exchanges of the names below can be listened to. For every other one a publish costs the comparison of a name's
// length; for these a shared lock and a call. A message is heard once it may be published, whether it reaches a queue
// or not, on the publisher's shard: whoever listens takes it and goes, and never blocks.
// Threads: any. Lifetime: when listen() has returned, the ear that was there before is not called any more.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>

#include "broker/routing/message.h"

namespace wherry::broker {

inline constexpr std::string_view event_exchange = "celeryev";
inline constexpr std::string_view control_reply_exchange = "reply.celery.pidbox";

inline bool can_be_heard(std::string_view exchange) {
  return exchange == event_exchange || exchange == control_reply_exchange;
}

class Tap {
 public:
  using Ear = std::function<void(const std::string& vhost, const MessageRef& message)>;

  // In the place of the one before; null: nobody.
  void listen(std::string_view exchange, Ear ear) {
    std::unique_lock lock(mutex_);
    if (ear) {
      ears_[std::string(exchange)] = std::move(ear);
    } else if (const auto found = ears_.find(exchange); found != ears_.end()) {
      ears_.erase(found);
    }
  }
  void hear(const std::string& vhost, const MessageRef& message) const {
    std::shared_lock lock(mutex_);
    const auto found = ears_.find(message->exchange());
    if (found != ears_.end()) found->second(vhost, message);
  }

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, Ear, std::less<>> ears_;
};

}  // namespace wherry::broker

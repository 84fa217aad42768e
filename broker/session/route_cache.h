// RouteCache: where a channel's publishes went last, so that publishing costs one look-up and no lock while the
// topology stands still.
//
// Holds the answers of exchanges that route by key alone, until the vhost's version moves. Limit: 1,024 routes; beyond
// it starts afresh. Threads: its channel's.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/session/shared_vhost.h"

namespace wherry::broker {

class RouteCache {
 public:
  using Queues = std::vector<QueueEntryRef>;

  struct Route {
    const Queues* queues = nullptr;  // Good until the next call.
    std::uint64_t delay_ms = 0;      // Above 0: the exchange holds the message back, and queues say nothing yet.
  };
  AmqpResult<Route> find(const SharedVhost& vhost, std::string_view exchange, std::string_view routing_key,
                         std::string_view raw_properties);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::uint64_t version_ = 0;
  std::string key_;  // exchange NUL routing key, built in place for each look-up.
  std::unordered_map<std::string, Queues, Hash, std::equal_to<>> routes_;
  Queues once_;  // An answer that must not be kept.
};

}  // namespace wherry::broker

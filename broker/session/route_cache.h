// RouteCache: where a channel's publishes went last, so that publishing costs one look-up and no lock while the
// topology stands still.
//
// Holds the answers of exchanges that route by key alone, until the vhost's version moves. Limit: 2,048 routes, in sets
// of four by the hash of the key. Where all are taken a key is kept when it is asked for a second time, in the place of
// the one that came in first: keys that never come back cost no copy, and push nothing out. Memory: none for a channel
// with one route, 128 bytes from the second on, 32 KiB at most, and the routes. Threads: its channel's.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/routing/deduplication.h"
#include "broker/session/shared_vhost.h"

namespace wherry::broker {

class RouteCache {
 public:
  using Queues = std::vector<QueueEntryRef>;

  struct Route {
    const Queues* queues = nullptr;  // Good until the next call, as is known.
    std::uint64_t delay_ms = 0;      // Above 0: the exchange holds the message back, and queues say nothing yet.
    // The keys that the exchange knows; null unless it accepts a message once.
    const std::shared_ptr<SharedDeduplication>* known = nullptr;
  };
  AmqpResult<Route> find(const SharedVhost& vhost, std::string_view exchange, std::string_view routing_key,
                         std::string_view raw_properties) {
    // Who publishes on one route pays for no look-up.
    if (last_ != nullptr && vhost.version() == version_ && last_->is(exchange, routing_key))
      return Route{&last_->queues};
    return look_up(vhost, exchange, routing_key, raw_properties);
  }

 private:
  static constexpr std::size_t ways = 4;
  static constexpr std::size_t first_sets = 2;
  static constexpr std::size_t most_sets = 512;

  struct Kept {
    std::string exchange, routing_key;
    Queues queues;

    bool is(std::string_view to, std::string_view key) const { return routing_key == key && exchange == to; }
  };
  // One cache line says whether a key may be here.
  struct alignas(64) Set {
    std::array<std::uint32_t, ways> marks{};  // Of the kept ones; 0: free.
    std::array<std::uint32_t, 3> seen{};      // Of keys that were asked for once.
    std::uint8_t next_seen = 0;
    std::uint8_t next_way = 0;  // The place that is given away next.
    std::array<std::unique_ptr<Kept>, ways> kept;

    bool full() const { return marks[next_way] != 0; }
  };
  struct Hash {
    std::uint64_t place;  // Modulo the number of sets.
    std::uint32_t mark;   // Never 0.
  };

  AmqpResult<Route> look_up(const SharedVhost& vhost, std::string_view exchange, std::string_view routing_key,
                            std::string_view raw_properties);
  AmqpResult<Route> ask(const SharedVhost& vhost, std::string_view exchange, std::string_view routing_key,
                        std::string_view raw_properties);

  Set& set_of(Hash hash) { return sets_[hash.place & (sets_.size() - 1)]; }
  static Hash hash_of(std::string_view exchange, std::string_view routing_key);
  const Kept* find_kept(Hash hash, std::string_view exchange, std::string_view routing_key) const;
  void keep(Hash hash);  // recent_.
  void put(Hash hash, std::unique_ptr<Kept> kept);
  void grow();

  std::uint64_t version_ = 0;
  std::vector<Set> sets_;  // As many as a power of two, or none.
  Kept recent_;            // What was asked for last and is not kept.
  const Kept* last_ = nullptr;
  std::string by_key_alone_;  // An exchange that is known to route so.
  bool knows_one_ = false;    // There is one: it may be the default exchange.
  std::shared_ptr<SharedDeduplication> known_;
};

}  // namespace wherry::broker

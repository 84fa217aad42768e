#include "broker/session/route_cache.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace wherry::broker {

AmqpResult<RouteCache::Route> RouteCache::look_up(const SharedVhost& vhost, std::string_view exchange,
                                                  std::string_view routing_key, std::string_view raw_properties) {
  // Read before routing: a change between the two makes an answer look older than it is, never newer.
  const std::uint64_t version = vhost.version();
  if (version != version_) {
    last_ = nullptr;
    sets_.clear();
    knows_one_ = false;
    version_ = version;
  }
  const Hash hash = hash_of(exchange, routing_key);
  if (const Kept* kept = find_kept(hash, exchange, routing_key)) {
    last_ = kept;
    return Route{&kept->queues};
  }
  const bool another = std::exchange(last_, nullptr) != nullptr;
  auto route = ask(vhost, exchange, routing_key, raw_properties);
  if (!route || !knows_one_ || by_key_alone_ != exchange) return route;
  recent_.exchange = exchange;
  recent_.routing_key = routing_key;
  last_ = &recent_;
  if (another || !sets_.empty()) keep(hash);
  return Route{&last_->queues};
}

AmqpResult<RouteCache::Route> RouteCache::ask(const SharedVhost& vhost, std::string_view exchange,
                                              std::string_view routing_key, std::string_view raw_properties) {
  recent_.queues.clear();
  known_.reset();
  std::uint64_t delay_ms = 0;
  auto routed = vhost.read([&](const Vhost& topology) {
    if (!knows_one_ || by_key_alone_ != exchange) {
      knows_one_ = topology.routes_by_key_alone(exchange);
      by_key_alone_ = knows_one_ ? exchange : std::string_view();
    }
    if (!knows_one_) {
      delay_ms = topology.delay_of(exchange, raw_properties);
      known_ = topology.deduplication_of(exchange);
    }
    return topology.route(exchange, routing_key, raw_properties, recent_.queues);
  });
  if (!routed) return tl::unexpected<amqp::AmqpError>(routed.error());
  return Route{&recent_.queues, delay_ms, known_ ? &known_ : nullptr};
}

// --- what is kept ----------------------------------------------------------------------------------------------------

RouteCache::Hash RouteCache::hash_of(std::string_view exchange, std::string_view routing_key) {
  const std::hash<std::string_view> hash;
  std::uint64_t both = hash(routing_key);
  if (!exchange.empty()) both ^= hash(exchange) * 0x9E3779B97F4A7C15u;
  return {both >> 32, static_cast<std::uint32_t>(both) | 1};
}

const RouteCache::Kept* RouteCache::find_kept(Hash hash, std::string_view exchange,
                                              std::string_view routing_key) const {
  if (sets_.empty()) return nullptr;
  const Set& set = sets_[hash.place & (sets_.size() - 1)];
  for (std::size_t way = 0; way < ways; ++way) {
    if (set.marks[way] == hash.mark && set.kept[way]->is(exchange, routing_key)) return set.kept[way].get();
  }
  return nullptr;
}

void RouteCache::keep(Hash hash) {
  if (sets_.empty()) sets_.resize(first_sets);
  if (set_of(hash).full() && sets_.size() < most_sets) grow();
  if (Set& set = set_of(hash); set.full()) {
    // Somebody has to go: not for a key that may never come again.
    if (std::find(set.seen.begin(), set.seen.end(), hash.mark) == set.seen.end()) {
      set.seen[set.next_seen] = hash.mark;
      set.next_seen = static_cast<std::uint8_t>((set.next_seen + 1u) % set.seen.size());
      return;
    }
  }
  auto kept = std::make_unique<Kept>(recent_);
  last_ = kept.get();
  put(hash, std::move(kept));
}

void RouteCache::put(Hash hash, std::unique_ptr<Kept> kept) {
  Set& set = set_of(hash);
  const std::size_t way = set.next_way;
  set.next_way = static_cast<std::uint8_t>((way + 1) % ways);
  set.marks[way] = hash.mark;
  set.kept[way] = std::move(kept);
}

void RouteCache::grow() {
  std::vector<Set> before(sets_.size() * 4);
  before.swap(sets_);
  for (Set& set : before) {
    for (auto& kept : set.kept) {
      if (!kept) continue;
      const Hash hash = hash_of(kept->exchange, kept->routing_key);
      put(hash, std::move(kept));
    }
  }
}

}  // namespace wherry::broker

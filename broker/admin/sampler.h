// Sampler: how fast things go: looks at all counts every five seconds and remembers what they were, so that whoever
// asks gets a rate over the last five to ten.
//
// It looks from start() on; before that, and of what is younger, rates are 0. It also knows since when a queue has done
// nothing. Cost: two copies of the counts, some 200 bytes for each queue, and a look at each in portions (survey.h).
// Threads: its own, and any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "broker/shard/survey.h"

namespace wherry::broker::admin {

// Of one queue, as message_stats has them.
struct QueueFlow {
  std::uint64_t publish = 0, deliver = 0, deliver_no_ack = 0, get = 0, get_no_ack = 0, get_empty = 0, redeliver = 0,
                ack = 0;
  friend bool operator==(const QueueFlow&, const QueueFlow&) = default;
};
QueueFlow flow_of(const QueueStats& stats);

struct ChannelId {
  ConnectionId connection = 0;
  std::uint32_t incarnation = 0;
  friend auto operator<=>(const ChannelId&, const ChannelId&) = default;
};

// What was, some seconds ago. Absent: it is new.
template <class T>
struct Before {
  std::optional<T> counts;
  double seconds = 0;  // Ago.

  // count: how it is now.
  template <class Count>
  double rate(Count T::*count, const T& now) const {
    if (!counts || seconds <= 0 || now.*count < (*counts).*count) return 0;
    return static_cast<double>(now.*count - (*counts).*count) / seconds;
  }
};

class Sampler {
 public:
  explicit Sampler(const Shared& shared) : shared_(shared) {}
  ~Sampler() { stop(); }

  void start();
  void stop();
  void look();  // Once; what start() does again and again.

  Before<QueueFlow> queue(std::uint64_t id) const;
  // POSIX ms; nothing when it does something, or is new.
  std::optional<std::uint64_t> idle_since_ms(std::uint64_t id) const;
  Before<ChannelCounts> channel(const ChannelId& id) const;
  Before<ExchangeCounts> exchange(const ExchangeId& id) const;
  Before<ChannelCounts> all() const;
  struct Bytes {
    std::uint64_t received = 0, sent = 0;
  };
  Before<Bytes> connection(ConnectionId id) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    Clock::time_point at{};
    std::unordered_map<std::uint64_t, QueueFlow> queues;
    std::map<ChannelId, ChannelCounts> channels;
    std::map<ExchangeId, ExchangeCounts> exchanges;
    std::unordered_map<ConnectionId, Bytes> connections;
    std::optional<ChannelCounts> all;
  };
  template <class Map, class Key>
  Before<typename Map::mapped_type> find(Map Seen::*map, const Key& key) const;

  const Shared& shared_;
  mutable std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  Seen before_, last_;
  std::unordered_map<std::uint64_t, std::uint64_t> idle_since_;
  std::thread thread_;
};

}  // namespace wherry::broker::admin

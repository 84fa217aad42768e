// Counts: what has been done so far, by channel, by exchange and by shard. Plain numbers that only grow: counting one
// thing is one addition, and nobody is told; who wants to know comes and looks (broker/shard/survey.h).
//
// Threads: the shard's they belong to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace wherry::broker {

struct ChannelCounts {
  std::uint64_t published = 0;  // Taken from the client, whatever became of them.
  std::uint64_t published_confirming = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t routed = 0;
  std::uint64_t returned = 0;   // Unroutable and mandatory.
  std::uint64_t dropped = 0;    // Unroutable.
  std::uint64_t delivered = 0;  // To consumers that acknowledge.
  std::uint64_t delivered_no_ack = 0;
  std::uint64_t got = 0;
  std::uint64_t got_no_ack = 0;
  std::uint64_t got_empty = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t acked = 0;

  ChannelCounts& operator+=(const ChannelCounts& other) {
    published += other.published;
    published_confirming += other.published_confirming;
    confirmed += other.confirmed;
    routed += other.routed;
    returned += other.returned;
    dropped += other.dropped;
    delivered += other.delivered;
    delivered_no_ack += other.delivered_no_ack;
    got += other.got;
    got_no_ack += other.got_no_ack;
    got_empty += other.got_empty;
    redelivered += other.redelivered;
    acked += other.acked;
    return *this;
  }
};

struct ExchangeCounts {
  std::uint64_t in = 0;   // Published to it by clients.
  std::uint64_t out = 0;  // Of those, to queues: one for each.
};

struct SizeCounts {
  // A body of at most so many bytes is counted there, and not again further on; the last is for larger ones.
  static constexpr std::array<std::uint64_t, 8> bounds{100,       1'000,      10'000,     100'000,
                                                       1'000'000, 10'000'000, 50'000'000, 100'000'000};
  std::array<std::uint64_t, bounds.size() + 1> counts{};
  std::uint64_t sum = 0;

  void add(std::uint64_t size) {
    std::size_t at = 0;
    while (at < bounds.size() && size > bounds[at]) ++at;
    ++counts[at];
    sum += size;
  }
};

// Of one shard.
struct ShardCounts {
  ChannelCounts closed;  // Of the channels that are gone.
  SizeCounts sizes;      // Of what was published.
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_closed = 0;
  std::uint64_t channels_opened = 0;
  std::uint64_t channels_closed = 0;
  std::uint64_t queues_declared = 0;  // Those that were there included.
  std::uint64_t queues_created = 0;
  std::uint64_t queues_deleted = 0;
  std::array<std::uint64_t, 4> dead_lettered{};  // By DeadLetterReason.
};

}  // namespace wherry::broker

// Survey: what there is on all shards, and what it has done: for the management API, metrics and wherryctl.
//
//   Survey survey(broker.shared());
//   auto rows = survey.queues(entries);        // each queue at its home, in portions between other work
//
// Nothing is kept for it and nothing is locked: each shard is asked by a posted function, which copies plain numbers.
// Blocks until all have answered; an error when they have not within patience. Rows of one call are not of one moment.
// Threads: any but a shard's.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "broker/queueing/queue.h"
#include "broker/session/session_info.h"
#include "net/stream.h"

namespace wherry::broker {

class Shared;

struct QueueState {
  QueueEntryRef entry;
  EffectiveRef effective;  // Null where nothing but its arguments applies.
  bool there = false;      // Still, when its home was asked.
  bool stopped = false;    // By an operator.
  std::uint32_t ready = 0;
  std::uint32_t unacked = 0;
  std::uint32_t consumers = 0;
  std::uint64_t held = 0;
  std::uint64_t head_published_ms = 0;
  QueueStats stats;
  std::string single_active;  // The tag of the consumer that is active, where one is at a time.
};

struct ConnectionState {
  ConnectionInfo info;
  unsigned shard = 0;
  net::Address peer;
  net::Address local;
  std::optional<net::TlsPeer> tls = {};  // None: without TLS.
  std::uint64_t received = 0;            // Bytes.
  std::uint64_t sent = 0;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;   // How often there was something to write.
  std::uint64_t pending = 0;  // Bytes.

  // As RabbitMQ calls it: "127.0.0.1:40000 -> 127.0.0.1:5672".
  std::string name() const { return peer.text() + " -> " + local.text(); }
};

using ExchangeId = std::pair<std::string, std::string>;  // vhost, name

struct ShardState {
  ShardCounts counts;
  ChannelCounts channels;  // Those that are gone included.
  std::uint64_t connections = 0;
  std::uint64_t open_channels = 0;
  std::map<ExchangeId, ExchangeCounts> exchanges;

  ShardState& operator+=(const ShardState& other);
};

class Survey {
 public:
  explicit Survey(const Shared& shared, std::chrono::milliseconds patience = std::chrono::seconds(10))
      : shared_(shared), patience_(patience) {}

  // In the order given; those that are gone meanwhile are left out.
  Result<std::vector<QueueState>> queues(const std::vector<QueueEntryRef>& entries) const;
  // With what applies to each, by name. Empty: of all virtual hosts, one behind the other.
  Result<std::vector<QueueState>> queues_of(std::string_view vhost) const;
  Result<std::vector<ConnectionState>> connections() const;
  // All shards together.
  Result<ShardState> totals() const;

 private:
  const Shared& shared_;
  const std::chrono::milliseconds patience_;
};

}  // namespace wherry::broker

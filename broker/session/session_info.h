// What a connection, its channels and its consumers say about themselves, for those who list them. Plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/session/counts.h"
#include "broker/session/host.h"
#include "protocol/amqp/connection.h"

namespace wherry::broker {

struct ConsumerInfo {
  ConsumerKey key = 0;
  QueueEntryRef queue;
  ConsumerOptions options;
};

struct ChannelInfo {
  std::uint16_t number = 0;
  std::uint32_t incarnation = 0;
  bool confirming = false;
  bool transactional = false;
  std::uint64_t unacknowledged = 0;
  std::uint64_t unconfirmed = 0;
  std::uint64_t uncommitted = 0;  // Publishes of the transaction.
  std::uint32_t prefetch = 0;     // Of each consumer started from now on.
  std::uint32_t global_prefetch = 0;
  ChannelCounts counts;
  std::vector<ConsumerInfo> consumers;
};

struct ConnectionInfo {
  ConnectionId id = 0;
  std::string user;
  std::string vhost;  // Empty before it was opened.
  std::string mechanism;
  amqp::Table client_properties;
  amqp::Tuning tuning;
  std::uint64_t connected_ms = 0;  // POSIX.
  bool blocked = false;            // A publish waits for memory or disk.
  bool closing = false;
  std::vector<ChannelInfo> channels;
};

}  // namespace wherry::broker

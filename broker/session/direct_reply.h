// Direct replies (`amq.rabbitmq.reply-to`): answers that go from whoever serves a request straight to the channel that
// asked, without a queue between. Source: RabbitMQ's documentation of direct reply-to.
//
// A channel that consumes from direct_reply_name has a ReplyAddress; its requests carry that as their reply-to, and a
// message published to the default exchange with it as routing key is delivered there, at most once: where nobody
// consumes any more, or reads too slowly (see SessionConfig), it is gone. The address says where the channel lives and
// holds 128 random bits, so that no other client can guess it. Threads: any.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "broker/routing/vhost.h"

namespace wherry::broker {

inline constexpr std::string_view direct_reply_name = "amq.rabbitmq.reply-to";

struct ReplyAddress {
  unsigned shard = 0;
  std::uint16_t channel = 0;
  ConnectionId connection = 0;
  std::array<std::uint64_t, 2> secret{};

  // With a fresh secret.
  static ReplyAddress make(unsigned shard, ConnectionId connection, std::uint16_t channel);
  // What text() gave; nothing for anything else.
  static std::optional<ReplyAddress> parse(std::string_view text);
  std::string text() const;

  friend bool operator==(const ReplyAddress&, const ReplyAddress&) = default;
};

// Whether a routing key of the default exchange is meant to be an address.
inline bool is_reply_address(std::string_view key) {
  return key.size() > direct_reply_name.size() && key.starts_with(direct_reply_name) &&
         key[direct_reply_name.size()] == '.';
}

// The addresses where somebody consumes: asked by those who must know beforehand (mandatory, queue.declare), not for
// each reply. Locks.
class ReplyAddresses {
 public:
  void add(std::string_view vhost, std::string_view address);
  void remove(std::string_view vhost, std::string_view address);
  bool has(std::string_view vhost, std::string_view address) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_set<std::string> known_;  // Address, NUL, vhost.
};

}  // namespace wherry::broker

#include "broker/session/direct_reply.h"

#include <charconv>

#include <fmt/format.h>
#include <unistd.h>

#include "base/assert.h"

namespace wherry::broker {

namespace {

std::string key_of(std::string_view vhost, std::string_view address) {
  std::string key(address);
  key.push_back('\0');
  return key.append(vhost);
}

// Takes a number in hexadecimal and the dot behind it, or with last all there is.
template <class T>
bool take(std::string_view& text, T& number, bool last = false) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number, 16);
  if (error != std::errc{} || (last ? at != end : at == end || *at != '.')) return false;
  text.remove_prefix(static_cast<std::size_t>(at - text.data()) + (last ? 0 : 1));
  return true;
}

}  // namespace

ReplyAddress ReplyAddress::make(unsigned shard, ConnectionId connection, std::uint16_t channel) {
  ReplyAddress address{shard, channel, connection, {}};
  // The system's: what a client sees of other random names must not lead it to this.
  const int filled = ::getentropy(address.secret.data(), sizeof address.secret);
  WHERRY_ASSERT(filled == 0);
  return address;
}

std::string ReplyAddress::text() const {
  return fmt::format("{}.{:x}.{:x}.{:x}.{:016x}.{:016x}", direct_reply_name, shard, connection, channel, secret[0],
                     secret[1]);
}

std::optional<ReplyAddress> ReplyAddress::parse(std::string_view text) {
  if (!is_reply_address(text)) return std::nullopt;
  text.remove_prefix(direct_reply_name.size() + 1);
  ReplyAddress address;
  if (take(text, address.shard) && take(text, address.connection) && take(text, address.channel) &&
      take(text, address.secret[0]) && take(text, address.secret[1], true)) {
    return address;
  }
  return std::nullopt;
}

void ReplyAddresses::add(std::string_view vhost, std::string_view address) {
  std::lock_guard lock(mutex_);
  known_.insert(key_of(vhost, address));
}

void ReplyAddresses::remove(std::string_view vhost, std::string_view address) {
  std::lock_guard lock(mutex_);
  known_.erase(key_of(vhost, address));
}

bool ReplyAddresses::has(std::string_view vhost, std::string_view address) const {
  std::lock_guard lock(mutex_);
  return known_.contains(key_of(vhost, address));
}

}  // namespace wherry::broker

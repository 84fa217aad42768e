#include "sdk/results/redis/subscriber.h"

#include <utility>

namespace wherry::results {

namespace {

// Words of one command: enough to be cheap, few enough that the server serves others between.
constexpr std::size_t most_channels = 1'000;

}  // namespace

RedisSubscriber::RedisSubscriber(net::EventLoop& loop, RedisEndpoint endpoint, BackendOptions options, Handler& handler)
    : loop_(loop), handler_(handler), link_(loop, std::move(endpoint), std::move(options), *this) {
  link_.start();
}

RedisSubscriber::~RedisSubscriber() {
  *alive_ = false;
}

void RedisSubscriber::subscribe(const std::string& channel) {
  channels_.insert(channel);
  change(channel, true);
}

void RedisSubscriber::unsubscribe(const std::string& channel) {
  if (channels_.erase(channel) > 0) change(channel, false);
}

void RedisSubscriber::change(const std::string& channel, bool wanted) {
  if (!link_.is_up()) return;  // on_up() subscribes to all that is wanted then.
  changes_[channel] = wanted;
  if (std::exchange(posted_, true)) return;
  loop_.post([this, alive = alive_] {
    if (*alive) flush();
  });
}

void RedisSubscriber::flush() {
  posted_ = false;
  if (!link_.is_up()) return changes_.clear();
  RedisCommand subscribe{"SUBSCRIBE"};
  RedisCommand unsubscribe{"UNSUBSCRIBE"};
  for (const auto& [channel, wanted] : std::exchange(changes_, {})) {
    RedisCommand& command = wanted ? subscribe : unsubscribe;
    command.push_back(channel);
    if (command.size() <= most_channels) continue;
    link_.write(command);
    command.resize(1);
  }
  // Alone, UNSUBSCRIBE would mean all channels.
  for (const RedisCommand& command : {subscribe, unsubscribe}) {
    if (command.size() > 1) link_.write(command);
  }
}

void RedisSubscriber::on_up() {
  for (const std::string& channel : channels_) changes_[channel] = true;
  flush();
}

void RedisSubscriber::on_reply(RedisReply reply) {
  if (reply.elements.size() != 3) return;  // Our ping's answer.
  const std::string& kind = reply.elements[0].text;
  const std::string& channel = reply.elements[1].text;
  if (!channels_.contains(channel)) return;
  if (kind == "subscribe") handler_.on_subscribed(channel);
  if (kind == "message") handler_.on_message(channel, reply.elements[2].text);
}

void RedisSubscriber::on_idle() {
  // A connection without any subscription is an ordinary one; it answers PING as well.
  link_.write({"PING"});
}

}  // namespace wherry::results

// Consumers: the subscriptions of a Link, each on a channel of its own, consumed again on each new connection.
//
// On a channel, in this order: open, basic.qos, then basic.consume queue by queue, each waiting for its answer: a
// refusal closes the channel, and so it is known which queue was refused; the others are consumed again on the
// channel's next opening. Each opening has a generation of its own that no other has, which is what makes stale
// references harmless.
//
// How it is driven: up() when the connection stands and the topology is restored; methods and content of channels for
// which owns() is true; down() when the connection is gone.
// Threads: one at a time. Callbacks may call anything here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/amqp/connection.h"
#include "sdk/link/link.h"

namespace wherry::sdk {

class Consumers {
 public:
  // settled: every subscription consumes all it could on this connection; once per connection.
  // again: it is a cluster, where a consumer that the broker cancels may have lost its node and not its queue: it is
  // tried once more, and what the broker says to that is told. Costs the channel where the queue is gone.
  explicit Consumers(std::function<void()> settled, bool again = false);
  ~Consumers();

  SubscriptionId subscribe(Subscription what, Link::OnDelivery on_delivery, Link::OnRefused on_refused);
  void add_queue(SubscriptionId id, const std::string& queue);
  void remove_queue(SubscriptionId id, const std::string& queue);
  void set_prefetch(SubscriptionId id, std::uint16_t prefetch);
  void when_processed(SubscriptionId id, std::function<void()> done);
  void pause(SubscriptionId id, std::function<void()> done);
  void resume(SubscriptionId id);
  void unsubscribe(SubscriptionId id);

  void ack(const DeliveryRef& delivery);
  void nack(const DeliveryRef& delivery, bool requeue);

  void up(amqp::Connection& wire);
  void down();
  // The broker refused the connection over a channel-wide prefetch: from now on per consumer. Whether any had it.
  bool give_up_channel_scope();

  static bool owns(std::uint16_t channel) { return channel >= first_channel; }
  void on_method(std::uint16_t channel, const amqp::Method& method);
  void on_content(std::uint16_t channel, const amqp::Method& method, const amqp::ContentHeader& header);
  void on_body(std::uint16_t channel, std::string_view fragment);
  void on_content_end(std::uint16_t channel);
  // by_peer null: our own close, or the connection's end.
  void on_channel_closed(std::uint16_t channel, const amqp::ChannelClose* by_peer);

 private:
  static constexpr std::uint16_t first_channel = 3;
  struct Queue;
  struct Entry;
  void send_limit(Entry& entry, std::function<void()> answered);

  Entry* find(SubscriptionId id);
  Entry* on_channel(std::uint16_t channel);
  void open(Entry& entry);
  void advance(Entry& entry);
  void check_settled();
  void close(Entry& entry);

  std::function<void()> settled_;
  const bool again_;
  amqp::Connection* wire_ = nullptr;
  bool told_settled_ = false;
  SubscriptionId next_id_ = 1;
  std::uint64_t next_generation_ = 1;
  std::vector<std::shared_ptr<Entry>> entries_;
};

}  // namespace wherry::sdk

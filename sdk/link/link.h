// Link: one connection to the broker that keeps coming back. What the client and the worker runtime are built on.
//
//   net::EventLoop loop;
//   Link link(loop, {.endpoints = *parse_endpoints("amqp://127.0.0.1"), .name = "mailer"});
//   link.declare({QueueSpec{.name = "email"}});
//   auto id = link.subscribe({.queues = {"email"}, .prefetch = 4}, [&](Delivery d) { ...; link.ack(d.ref); });
//   link.publish({.routing_key = "email", .body = "hello"}, [](const Report& r) { ... });
//   link.start();
//   loop.run();
//
// Recovery: when the connection breaks, the link tries the endpoints in turn, with exponential backoff and full jitter
// (a random wait between zero and min(backoff_max, backoff_first * 2^round)). After each connect it declares again all
// that was declared, consumes again what was subscribed, then publishes again what was not confirmed. What may be
// called before start() or while disconnected is remembered and done when there is a connection.
//
// Delivery guarantee: publishes at least once until their deadline; deliveries as the broker's (unsettled deliveries of
// a lost connection come again, with redelivered set).
//
// Threads: publish, publish_delayed, ack, nack, set_prefetch and when_processed may be called from any thread (they are
// posted to the loop; calls of one thread keep their order). Everything else, and every callback, is on the loop's
// thread. A callback may call anything of the link but its destructor. Lifetime: the loop outlives the link. The
// destructor drops the connection at once and reports what waits as closed; after it no callback comes. Destroy it on
// the loop's thread, or when the loop does not run any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/event_loop.h"
#include "protocol/amqp/constants.h"
#include "protocol/amqp/table.h"
#include "sdk/endpoint/endpoint.h"
#include "sdk/link/messages.h"
#include "sdk/link/prepared.h"
#include "sdk/link/topology.h"

namespace wherry::sdk {

struct LinkConfig {
  std::vector<Endpoint> endpoints{Endpoint{}};
  std::string name = "wherry";  // connection_name among the client properties: what an operator sees.
  bool log_connection = true;   // Losses and recoveries go to the log (warning, info).
  std::chrono::milliseconds backoff_first{200};
  std::chrono::milliseconds backoff_max{30'000};
  std::size_t max_unconfirmed = 2'000;  // Publishes on the wire without their confirm; more wait their turn.
  std::size_t max_waiting = 100'000;    // Publishes held altogether; above: Outcome::overloaded.
  // The broker is a RabbitMQ cluster. What is declared through it: make_quorum_queues(); a nack may mean that the queue
  // has no leader, and publishes that get nowhere go out again on a new channel: renewal.h.
  bool quorum_queues = false;
};

// What the owner hears. All on the loop's thread.
struct LinkEvents {
  // Connected and everything was declared, consumed and republished; generation counts connections from 1.
  std::function<void(std::uint64_t generation)> on_up = {};
  // The connection is gone or an attempt failed; the link goes on trying. denied: the broker's code for a wrong user,
  // password or vhost (403, 530), else 0.
  std::function<void(std::string_view reason, std::uint16_t denied)> on_down = {};
  // A declaration was refused while recovering; the link goes on without it.
  std::function<void(const Declaration&, const Report&)> on_declare_refused = {};
  // The broker holds back publishers (memory or disk alarm), or no longer does.
  std::function<void(bool blocked, std::string_view reason)> on_blocked = {};
};

struct Subscription {
  std::vector<std::string> queues = {};
  std::uint16_t prefetch = 1;  // 0 = no limit.
  // channel: the limit counts over all queues of the subscription together (basic.qos global=true): what fair dispatch
  // wants. consumer: the limit holds for each queue on its own; with quorum queues that is the only one there is.
  enum class Scope { channel, consumer } scope = Scope::channel;
  bool no_ack = false;
  bool exclusive = false;
  amqp::Table arguments = {};  // x-priority and the like.
};
using SubscriptionId = std::uint32_t;

class Link {
 public:
  Link(net::EventLoop& loop, LinkConfig config, LinkEvents events = {});
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Begins to connect. Once.
  void start();
  // Closes cleanly (connection.close), reports what still waits as closed, stays down; done is called when the socket
  // is gone, at the latest after 5 s. Unsettled deliveries go back to their queues.
  void close(std::function<void()> done = {});

  // Loses the connection, as if the network had: what is written from here on is lost with it. on_down comes in a later
  // turn, and the link recovers.
  void drop(std::string_view reason);

  bool is_up() const;
  std::uint64_t generation() const;              // Of the connection that stands or was last; 0 before the first.
  const amqp::Table& server_properties() const;  // Of the same.

  // Declares in order and remembers for recovery. What was declared in this connection with the same arguments is not
  // sent again. done: confirmed, or the first refusal (404, 405, 406, 403, 503); what is refused is not remembered.
  void declare(Topology topology, Done done = {}, Monotonic deadline = Monotonic::max());

  // any thread
  void publish(Publication message, Done done = {});
  // Several, in their order, with one wake-up of the loop.
  void publish(std::vector<PreparedRef> messages);

  // Publishes to queue so that it is delivered after delay: through the durable exchange "wherry.delayed" of type
  // x-delayed-message with the header x-delay in ms, which is declared and bound on first use. exchange, routing_key
  // and mandatory of message are overwritten. The queue must exist: a missing one is reported as unroutable. Where the
  // broker does not know that exchange type the message goes through Celery's levels of delays (delay_levels.h), in
  // whole seconds. Where that cannot be either it goes to the queue at once, and the consumer is expected to hold it by
  // its eta header; the caller therefore sets eta in any case. delay <= 0 publishes at once.
  // any thread
  void publish_delayed(Publication message, std::string queue, std::chrono::milliseconds delay, Done done = {});

  // Consumes from each queue on one channel of its own. The queues must have been declared (by anybody): before there
  // is a connection declare() comes first by itself; later, subscribe when its done is called. on_refused: consuming
  // was refused (404, 403, 405), or the broker cancelled it because the queue was deleted (in a cluster it is consumed
  // again, and that refused); the queue is left out until add_queue() names it again.
  using OnDelivery = std::function<void(Delivery&&)>;
  using OnRefused = std::function<void(const std::string& queue, const Report&)>;
  SubscriptionId subscribe(Subscription what, OnDelivery on_delivery, OnRefused on_refused = {});
  void add_queue(SubscriptionId subscription, const std::string& queue);
  void remove_queue(SubscriptionId subscription, const std::string& queue);
  // any thread. Takes effect at once for scope channel; for scope consumer by consuming anew.
  void set_prefetch(SubscriptionId subscription, std::uint16_t prefetch);
  // any thread. done: the broker has done all that was sent for this subscription before, and what it had sent by then
  // has been delivered. Not called when the channel goes first.
  void when_processed(SubscriptionId subscription, std::function<void()> done);
  // Stops consuming; what was delivered may still be settled. done: no delivery will come any more.
  void pause(SubscriptionId subscription, std::function<void()> done = {});
  void resume(SubscriptionId subscription);
  // Closes its channel: the broker requeues what is not settled.
  void unsubscribe(SubscriptionId subscription);

  // any thread. A reference of an earlier connection is dropped without a word.
  void ack(const DeliveryRef& delivery);
  void nack(const DeliveryRef& delivery, bool requeue);  // requeue=false: to the queue's dead-letter exchange.
  void reject(const DeliveryRef& delivery, bool requeue) { nack(delivery, requeue); }

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace wherry::sdk

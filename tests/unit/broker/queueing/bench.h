// A queue on a bench: its environment is a clock that the test sets and lists of what it was told; its consumers write
// down what they got.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/queueing/queue.h"
#include "broker/store/memory_store.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker::test {

using Bodies = std::vector<std::string>;
using Positions = std::vector<Position>;
using DeliveryIds = std::vector<DeliveryId>;

struct Environment final : QueueEnvironment {
  std::uint64_t now() const override { return now_ms; }
  void dead_letter(DeadLetter letter) override { letters.push_back(std::move(letter)); }
  void wake_at(std::uint64_t time_ms) override { wake_ms = time_ms; }
  std::uint64_t consumer_timeout_ms() const override { return timeout_ms; }
  void timed_out(std::string_view tag, std::size_t deliveries) override {
    losers.push_back(std::string(tag) + ": " + std::to_string(deliveries));
  }

  std::uint64_t now_ms = 1'000'000;
  std::optional<std::uint64_t> wake_ms;
  std::vector<DeadLetter> letters;
  std::uint64_t timeout_ms = 0;     // The broker's.
  std::vector<std::string> losers;  // "tag: deliveries" of those that timed out.
};

struct Listener final : Consumer {
  bool deliver(const Delivery& delivery) override {
    if (refuse) {
      ++refused;
      return false;
    }
    got.push_back(delivery);
    return true;
  }
  void on_queue_deleted() override { told_deleted = true; }

  Bodies bodies() const {
    Bodies all;
    for (const Delivery& delivery : got) all.emplace_back(delivery.message->body());
    return all;
  }
  Position position(std::size_t index) const { return got.at(index).position; }

  std::vector<Delivery> got;
  bool refuse = false;
  int refused = 0;
  bool told_deleted = false;
};

struct Sent {
  std::uint8_t priority = 0;
  std::string expiration = {};
  bool persistent = false;
  std::optional<amqp::FieldValue> tenant = {};  // A header.
};

inline MessageRef message(std::string_view body, const Sent& how = {}, std::uint64_t published_ms = 0) {
  amqp::Properties properties;
  if (!how.expiration.empty()) properties.expiration = how.expiration;
  if (how.persistent) properties.delivery_mode = 2;
  if (how.tenant) properties.headers.emplace().set("tenant", *how.tenant);
  std::string raw = amqp::encode_properties(properties);
  auto made = Message::create({.exchange = "",
                               .routing_key = "q",
                               .properties = raw,
                               .delivery_mode = how.persistent ? std::uint8_t{2} : std::uint8_t{1},
                               .priority = how.priority,
                               .body_size = body.size(),
                               .published_ms = published_ms});
  made->append_body(body);
  return made;
}

inline amqp::Table table(std::initializer_list<std::pair<const char*, amqp::FieldValue>> entries) {
  amqp::Table made;
  for (const auto& [name, value] : entries) made.set(name, value);
  return made;
}

inline QueueEntryRef entry(amqp::Table arguments = {}, bool durable = false, const std::string& name = "q") {
  auto made = std::make_shared<QueueEntry>();
  made->id = 17;
  made->vhost = "/";
  made->spec.name = name;
  made->spec.durable = durable;
  made->spec.arguments = std::move(arguments);
  return made;
}

struct Bench {
  explicit Bench(amqp::Table arguments = {}, bool durable = false)
      : queue(entry(std::move(arguments), durable), store, environment) {}

  Queue::Accepted publish(std::string_view body, const Sent& how = {}) {
    return queue.publish(message(body, how, environment.now_ms));
  }
  void publish_all(std::initializer_list<std::string_view> bodies) {
    for (std::string_view body : bodies) publish(body);
  }
  void consume(Consumer& consumer, std::uint32_t prefetch = 0, bool no_ack = false, std::int32_t priority = 0) {
    ConsumerOptions options;
    options.tag = "c";
    options.prefetch = prefetch;
    options.no_ack = no_ack;
    options.priority = priority;
    auto added = queue.add_consumer(consumer, options);
    if (!added) throw std::runtime_error(added.error().explanation);
  }
  // Of messages that came back by requeue() alone.
  DeliveryIds ids(const Positions& positions) const {
    DeliveryIds all;
    for (Position at : positions) {
      auto count = requeues.find(at);
      all.push_back({at, count == requeues.end() ? 0 : count->second});
    }
    return all;
  }
  void ack(Consumer* consumer, const Positions& at) { queue.ack(consumer, ids(at)); }
  void requeue(Consumer* consumer, const Positions& at) {
    const DeliveryIds deliveries = ids(at);
    for (Position each : at) ++requeues[each];
    queue.requeue(consumer, deliveries);
  }
  void discard(Consumer* consumer, const Positions& at) { queue.discard(consumer, ids(at)); }
  void give_back(Consumer& consumer, const Positions& at) { queue.give_back(consumer, ids(at)); }
  // The next message, or a delivery without one.
  Delivery get(bool no_ack = false) {
    Delivery delivery;
    std::uint32_t remaining = 0;
    if (!queue.get(no_ack, delivery, remaining)) return {};
    return delivery;
  }
  // Takes everything that is ready, settled as it goes.
  Bodies drain() {
    Bodies all;
    for (Delivery next = get(true); next.message; next = get(true)) all.emplace_back(next.message->body());
    return all;
  }
  // Moves the clock and calls the queue when it asked for it; whether the queue has expired.
  bool pass(std::uint64_t ms) {
    environment.now_ms += ms;
    if (!environment.wake_ms || *environment.wake_ms > environment.now_ms) return false;
    environment.wake_ms.reset();
    return queue.on_time(environment.now_ms);
  }
  Bodies dead(DeadLetterReason reason) const {
    Bodies all;
    for (const DeadLetter& letter : environment.letters) {
      if (letter.reason == reason) all.emplace_back(letter.message->body());
    }
    return all;
  }

  std::map<Position, std::uint32_t> requeues;
  Environment environment;
  MemoryStore store;
  Queue queue;
};

}  // namespace wherry::broker::test

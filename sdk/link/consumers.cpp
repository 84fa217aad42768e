#include "sdk/link/consumers.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/log.h"
#include "protocol/amqp/properties.h"

namespace wherry::sdk {

struct Consumers::Queue {
  std::string name;
  enum class State { idle, starting, consuming, stopping } state = State::idle;
  bool wanted = true;
  std::string tag;
};

struct Consumers::Entry : std::enable_shared_from_this<Entry> {
  SubscriptionId id = 0;
  std::uint16_t channel = 0;
  Subscription config;
  Link::OnDelivery on_delivery;
  Link::OnRefused on_refused;
  std::vector<Queue> queues;
  bool paused = false;
  bool removed = false;
  std::vector<std::function<void()>> when_paused;

  enum class Stage { closed, opening, qos, open } stage = Stage::closed;
  std::uint64_t generation = 0;  // 0 while the channel is not open.
  std::uint64_t next_tag = 1;
  std::deque<std::function<void()>> limits_sent;  // Since the channel is open: what to do at each answer, or nothing.
  Delivery arriving;

  Queue* by_tag(std::string_view tag) {
    auto at = std::find_if(queues.begin(), queues.end(),
                           [&](const Queue& q) { return q.tag == tag && q.state != Queue::State::idle; });
    return at == queues.end() ? nullptr : &*at;
  }
  Queue* by_name(std::string_view name) {
    auto at = std::find_if(queues.begin(), queues.end(), [&](const Queue& q) { return q.name == name; });
    return at == queues.end() ? nullptr : &*at;
  }
  Queue* in_state(Queue::State state) {
    auto at = std::find_if(queues.begin(), queues.end(), [&](const Queue& q) { return q.state == state; });
    return at == queues.end() ? nullptr : &*at;
  }
  Queue* next_to_start() {
    auto at = std::find_if(queues.begin(), queues.end(),
                           [&](const Queue& q) { return q.state == Queue::State::idle && q.wanted; });
    return at == queues.end() ? nullptr : &*at;
  }
  // Consumes what it wants to, or cannot: nothing is under way.
  bool settled() {
    if (in_state(Queue::State::starting) || in_state(Queue::State::stopping)) return false;
    return paused || (stage == Stage::open && !next_to_start());
  }
};

Consumers::Consumers(std::function<void()> settled, bool again) : settled_(std::move(settled)), again_(again) {}
Consumers::~Consumers() = default;

SubscriptionId Consumers::subscribe(Subscription what, Link::OnDelivery on_delivery, Link::OnRefused on_refused) {
  auto entry = std::make_shared<Entry>();
  entry->id = next_id_++;
  entry->channel = first_channel;
  while (on_channel(entry->channel)) ++entry->channel;
  for (const auto& name : what.queues) {
    if (!entry->by_name(name)) entry->queues.push_back({name, Queue::State::idle, true, {}});
  }
  entry->config = std::move(what);
  entry->on_delivery = std::move(on_delivery);
  entry->on_refused = std::move(on_refused);
  entries_.push_back(entry);
  if (wire_) open(*entry);
  return entry->id;
}

void Consumers::add_queue(SubscriptionId id, const std::string& queue) {
  auto* entry = find(id);
  if (!entry) return;
  if (auto* known = entry->by_name(queue)) {
    known->wanted = true;
  } else {
    entry->queues.push_back({queue, Queue::State::idle, true, {}});
  }
  advance(*entry);
}

void Consumers::remove_queue(SubscriptionId id, const std::string& queue) {
  auto* entry = find(id);
  if (!entry) return;
  if (auto* known = entry->by_name(queue)) known->wanted = false;
  advance(*entry);
}

void Consumers::set_prefetch(SubscriptionId id, std::uint16_t prefetch) {
  auto* entry = find(id);
  if (!entry || entry->config.prefetch == prefetch) return;
  entry->config.prefetch = prefetch;
  if (!wire_ || entry->stage != Entry::Stage::open) return;
  send_limit(*entry, {});
  if (entry->config.scope == Subscription::Scope::channel) return;
  // RabbitMQ gives a per-consumer limit to later consumers only: each is stopped, and advance() starts it again.
  for (auto& queue : entry->queues) {
    if (queue.state != Queue::State::consuming) continue;
    queue.state = Queue::State::stopping;
    wire_->send(entry->channel, amqp::BasicCancel{queue.tag, false});
  }
}

// A channel's methods are done in their order, and a prefetch is one of the few that are answered: the same again asks.
void Consumers::when_processed(SubscriptionId id, std::function<void()> done) {
  auto* entry = find(id);
  if (entry && wire_ && entry->stage == Entry::Stage::open) send_limit(*entry, std::move(done));
}

void Consumers::send_limit(Entry& entry, std::function<void()> answered) {
  const bool global = entry.config.scope == Subscription::Scope::channel;
  wire_->send(entry.channel, amqp::BasicQos{0, entry.config.prefetch, global});
  entry.limits_sent.push_back(std::move(answered));
}

void Consumers::pause(SubscriptionId id, std::function<void()> done) {
  auto* entry = find(id);
  if (!entry) {
    if (done) done();
    return;
  }
  entry->paused = true;
  if (done) entry->when_paused.push_back(std::move(done));
  advance(*entry);
}

void Consumers::resume(SubscriptionId id) {
  auto* entry = find(id);
  if (!entry) return;
  entry->paused = false;
  advance(*entry);
}

void Consumers::unsubscribe(SubscriptionId id) {
  auto* found = find(id);
  if (!found) return;
  auto entry = found->shared_from_this();
  entry->removed = true;
  if (wire_ && entry->stage != Entry::Stage::closed) {
    // Its channel number is free again when the broker has answered.
    wire_->close_channel(entry->channel, {amqp::ReplyCode::success, "unsubscribed", {}, false});
  } else {
    std::erase(entries_, entry);
  }
  check_settled();
}

void Consumers::ack(const DeliveryRef& delivery) {
  auto* entry = find(delivery.subscription);
  if (!wire_ || !entry || entry->generation != delivery.generation) return;
  wire_->send(entry->channel, amqp::BasicAck{delivery.tag, false});
}

void Consumers::nack(const DeliveryRef& delivery, bool requeue) {
  auto* entry = find(delivery.subscription);
  if (!wire_ || !entry || entry->generation != delivery.generation) return;
  wire_->send(entry->channel, amqp::BasicReject{delivery.tag, requeue});
}

void Consumers::up(amqp::Connection& wire) {
  wire_ = &wire;
  told_settled_ = false;
  for (auto& entry : std::vector(entries_)) open(*entry);
  check_settled();
}

void Consumers::down() {
  wire_ = nullptr;
  for (auto& entry : std::vector(entries_)) close(*entry);
  std::erase_if(entries_, [](const auto& entry) { return entry->removed; });
}

bool Consumers::give_up_channel_scope() {
  bool any = false;
  for (auto& entry : entries_) {
    if (entry->config.scope != Subscription::Scope::channel) continue;
    entry->config.scope = Subscription::Scope::consumer;
    any = true;
  }
  return any;
}

void Consumers::open(Entry& entry) {
  if (entry.stage != Entry::Stage::closed || entry.removed) return;
  entry.stage = Entry::Stage::opening;
  wire_->open_channel(entry.channel);
}

// What belonged to the channel is void: its tags, and what was under way.
void Consumers::close(Entry& entry) {
  auto keep = entry.shared_from_this();
  entry.stage = Entry::Stage::closed;
  entry.generation = 0;
  entry.limits_sent.clear();
  for (auto& queue : entry.queues) queue.state = Queue::State::idle;
  std::erase_if(entry.queues, [](const Queue& q) { return !q.wanted; });
  for (auto& done : std::exchange(entry.when_paused, {})) done();
}

// Sends what comes next for this subscription. Callable at any time.
void Consumers::advance(Entry& entry) {
  auto keep = entry.shared_from_this();
  if (wire_ && entry.stage == Entry::Stage::open && !entry.removed) {
    for (auto& queue : entry.queues) {
      if (queue.state != Queue::State::consuming || (queue.wanted && !entry.paused)) continue;
      queue.state = Queue::State::stopping;
      wire_->send(entry.channel, amqp::BasicCancel{queue.tag, false});
    }
    std::erase_if(entry.queues, [](const Queue& q) { return !q.wanted && q.state == Queue::State::idle; });
    Queue* next = entry.next_to_start();
    if (next && !entry.paused && !entry.in_state(Queue::State::starting)) {
      next->state = Queue::State::starting;
      next->tag = fmt::format("{}.{}", next->name.substr(0, 100), entry.next_tag++);
      const std::string arguments = amqp::encode_table(entry.config.arguments);
      amqp::BasicConsume method;
      method.queue = next->name;
      method.consumer_tag = next->tag;
      method.no_ack = entry.config.no_ack;
      method.exclusive = entry.config.exclusive;
      method.arguments = {arguments};
      wire_->send(entry.channel, method);
    }
  }
  if (entry.paused && entry.settled()) {
    for (auto& done : std::exchange(entry.when_paused, {})) done();
  }
  check_settled();
}

void Consumers::check_settled() {
  if (!wire_ || told_settled_) return;
  for (auto& entry : entries_) {
    if (!entry->removed && !entry->settled()) return;
  }
  told_settled_ = true;
  settled_();
}

void Consumers::on_method(std::uint16_t channel, const amqp::Method& method) {
  auto* found = on_channel(channel);
  if (!found || !wire_) return;
  auto entry = found->shared_from_this();
  if (std::holds_alternative<amqp::ChannelOpenOk>(method)) {
    entry->stage = Entry::Stage::qos;
    entry->generation = next_generation_++;
    entry->next_tag = 1;
    const bool global = entry->config.scope == Subscription::Scope::channel;
    wire_->send(channel, amqp::BasicQos{0, entry->config.prefetch, global});
  } else if (std::holds_alternative<amqp::BasicQosOk>(method)) {
    if (entry->stage == Entry::Stage::open && !entry->limits_sent.empty()) {
      const auto answered = std::move(entry->limits_sent.front());
      entry->limits_sent.pop_front();
      if (answered) answered();
    }
    if (entry->stage != Entry::Stage::qos) return;
    entry->stage = Entry::Stage::open;
    advance(*entry);
  } else if (auto* ok = std::get_if<amqp::BasicConsumeOk>(&method)) {
    if (auto* queue = entry->by_tag(ok->consumer_tag); queue && queue->state == Queue::State::starting) {
      queue->state = Queue::State::consuming;
    }
    advance(*entry);
  } else if (auto* stopped = std::get_if<amqp::BasicCancelOk>(&method)) {
    if (auto* queue = entry->by_tag(stopped->consumer_tag)) queue->state = Queue::State::idle;
    advance(*entry);
  } else if (auto* cancelled = std::get_if<amqp::BasicCancel>(&method)) {
    auto* queue = entry->by_tag(cancelled->consumer_tag);
    if (!queue) return;
    queue->state = Queue::State::idle;
    if (again_) return advance(*entry);
    queue->wanted = false;
    const std::string name = queue->name;
    advance(*entry);
    if (entry->on_refused) {
      entry->on_refused(name, {Outcome::refused, 404, "the broker cancelled the consumer: the queue is gone"});
    }
  }
}

void Consumers::on_content(std::uint16_t channel, const amqp::Method& method, const amqp::ContentHeader& header) {
  auto* entry = on_channel(channel);
  auto* deliver = std::get_if<amqp::BasicDeliver>(&method);
  if (!entry || !deliver) return;
  const auto* queue = entry->by_tag(deliver->consumer_tag);
  entry->arriving = {};
  entry->arriving.ref = {entry->generation, entry->id, deliver->delivery_tag};
  if (queue) entry->arriving.queue = queue->name;
  entry->arriving.exchange = deliver->exchange;
  entry->arriving.routing_key = deliver->routing_key;
  entry->arriving.redelivered = deliver->redelivered;
  entry->arriving.properties = amqp::keep_properties(header.view);
  entry->arriving.body.reserve(std::min<std::uint64_t>(header.body_size, 1u << 20));
}

void Consumers::on_body(std::uint16_t channel, std::string_view fragment) {
  if (auto* entry = on_channel(channel)) entry->arriving.body.append(fragment);
}

void Consumers::on_content_end(std::uint16_t channel) {
  auto* found = on_channel(channel);
  if (!found || found->removed || found->arriving.ref.tag == 0) return;
  auto entry = found->shared_from_this();
  if (entry->on_delivery) entry->on_delivery(std::move(entry->arriving));
  entry->arriving.ref = {};
}

void Consumers::on_channel_closed(std::uint16_t channel, const amqp::ChannelClose* by_peer) {
  auto* found = on_channel(channel);
  if (!found) return;
  auto entry = found->shared_from_this();
  std::string refused;
  if (auto* queue = entry->in_state(Queue::State::starting);
      queue && by_peer && amqp::MethodId{by_peer->class_id, by_peer->method_id} == amqp::BasicConsume::id) {
    queue->wanted = false;
    refused = queue->name;
  }
  Report report;
  if (by_peer) report = {Outcome::refused, by_peer->reply_code, std::string(by_peer->reply_text)};
  close(*entry);
  if (entry->removed) {
    std::erase(entries_, entry);
  } else if (by_peer) {
    if (refused.empty()) log::warning("sdk", "the broker closed a consumer's channel: {}", report.text);
    if (wire_) open(*entry);
  }
  if (!refused.empty() && entry->on_refused) entry->on_refused(refused, report);
}

Consumers::Entry* Consumers::find(SubscriptionId id) {
  auto at = std::find_if(entries_.begin(), entries_.end(),
                         [&](const auto& entry) { return entry->id == id && !entry->removed; });
  return at == entries_.end() ? nullptr : at->get();
}

Consumers::Entry* Consumers::on_channel(std::uint16_t channel) {
  auto at =
      std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry->channel == channel; });
  return at == entries_.end() ? nullptr : at->get();
}

}  // namespace wherry::sdk

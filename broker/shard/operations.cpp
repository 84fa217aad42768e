#include "broker/shard/operations.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "broker/routing/arguments.h"
#include "broker/routing/carbon_copies.h"
#include "broker/routing/deduplication.h"
#include "broker/shard/home.h"
#include "broker/shard/shard.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {

using amqp::ReplyCode;

// --- on a shard ------------------------------------------------------------------------------------------------------

void Shard::when_durable(Lsn lsn, std::function<void()> done) {
  if (lsn <= store_->durable()) return done();
  far_confirms_.push_back({lsn, index_, mail::Call{[done = std::move(done)](Shard&) { done(); }}});
}

void Shard::publish_here(const QueueEntryRef& entry, const MessageRef& message, std::function<void(bool)> done) {
  Home* home = find_home(*entry);
  const Queue::Accepted outcome = home ? home->queue.publish(message) : Queue::Accepted{};
  when_durable(outcome.durable_at, [done = std::move(done), accepted = outcome.accepted] { done(accepted); });
}

// --- on the thread that asks -----------------------------------------------------------------------------------------

namespace {

tl::unexpected<amqp::AmqpError> refusal(ReplyCode code, std::string text) {
  return tl::unexpected<amqp::AmqpError>(amqp::AmqpError{code, std::move(text), {}, false});
}

tl::unexpected<amqp::AmqpError> too_late() {
  return refusal(ReplyCode::internal_error, "the broker is too busy to answer in time");
}

// What a shard's thread hands back to the one that waits for it.
template <class T>
class Handed {
 public:
  void give(T value) {
    std::lock_guard lock(mutex_);
    value_ = std::move(value);
    changed_.notify_all();
  }
  std::optional<T> wait(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [this] { return value_.has_value(); });
    return std::move(value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

// Runs ask(shard, reply) on the shard's thread and waits for what the reply is given.
template <class T, class Ask>
AmqpResult<T> ask_shard(Shard& shard, std::chrono::milliseconds patience, Ask ask) {
  const auto handed = std::make_shared<Handed<AmqpResult<T>>>();
  shard.loop().post([handed, &shard, ask = std::move(ask)]() mutable {
    ask(shard, [handed](AmqpResult<T> answer) { handed->give(std::move(answer)); });
  });
  auto answer = handed->wait(patience);
  if (!answer) return too_late();
  return std::move(*answer);
}

std::atomic<unsigned> next_home{0};

}  // namespace

AmqpResult<SharedVhostRef> Operations::vhost(std::string_view name) const {
  if (SharedVhostRef found = shared_.find_vhost(name)) return found;
  return refusal(ReplyCode::not_found, fmt::format("vhost '{}' not found", name));
}

AmqpResult<QueueEntryRef> Operations::queue(std::string_view vhost_name, std::string_view name) const {
  return vhost(vhost_name).and_then([&](const SharedVhostRef& found) {
    return found->read([&](const Vhost& topology) { return topology.find_queue(name, 0); });
  });
}

AmqpResult<void> Operations::kept() const {
  Definitions* definitions = shared_.config().definitions;
  if (definitions == nullptr || definitions->wait_committed(definitions->recorded(), patience_)) return {};
  return too_late();
}

// --- exchanges and bindings ------------------------------------------------------------------------------------------

AmqpResult<bool> Operations::declare_exchange(std::string_view vhost_name, const ExchangeSpec& spec) {
  auto found = vhost(vhost_name);
  if (!found) return tl::unexpected(found.error());
  auto created = (*found)->write([&](Vhost& topology) -> AmqpResult<bool> {
    const bool there = topology.has_exchange(spec.name);
    auto declared = topology.declare_exchange(spec, false);
    if (!declared) return tl::unexpected(declared.error());
    return !there;
  });
  if (!created) return created;
  if (auto done = kept_now(); !done) return tl::unexpected(done.error());
  return created;
}

AmqpResult<void> Operations::delete_exchange(std::string_view vhost_name, std::string_view exchange, bool if_unused) {
  auto found = vhost(vhost_name);
  if (!found) return tl::unexpected(found.error());
  auto deleted = (*found)->write([&](Vhost& topology) -> AmqpResult<void> {
    if (!exchange.empty() && !topology.has_exchange(exchange)) {
      return refusal(ReplyCode::not_found, fmt::format("no exchange '{}' in vhost '{}'", exchange, vhost_name));
    }
    return topology.delete_exchange(exchange, if_unused);
  });
  if (!deleted) return deleted;
  const std::vector<std::string> gone{std::string(exchange)};
  const std::string name((*found)->name());
  if (!shared_.on_each_shard([gone, name](Shard& shard) { shard.drop_delayed(name, gone); }, patience_)) {
    return too_late();
  }
  return kept_now();
}

AmqpResult<void> Operations::bind(std::string_view vhost_name, const BindingSpec& binding) {
  auto found = vhost(vhost_name);
  if (!found) return tl::unexpected(found.error());
  auto bound = (*found)->write([&](Vhost& topology) { return topology.bind(binding, 0); });
  return bound ? kept_now() : bound;
}

AmqpResult<void> Operations::unbind(std::string_view vhost_name, const BindingSpec& binding) {
  auto found = vhost(vhost_name);
  if (!found) return tl::unexpected(found.error());
  auto unbound = (*found)->write([&](Vhost& topology) { return topology.unbind(binding, 0); });
  return unbound ? kept_now() : unbound;
}

// --- queues ----------------------------------------------------------------------------------------------------------

AmqpResult<bool> Operations::declare_queue(std::string_view vhost_name, const QueueSpec& spec) {
  auto found = vhost(vhost_name);
  if (!found) return tl::unexpected(found.error());
  // On the thread it is to live on: nobody can find a queue that is not there yet.
  const unsigned home = next_home.fetch_add(1, std::memory_order_relaxed) % shared_.config().shards;
  auto created =
      ask_shard<bool>(*shared_.shards()[home], patience_, [vhost = *found, spec](Shard& shard, const auto& reply) {
        auto declared =
            vhost->write([&](Vhost& topology) { return topology.declare_queue(spec, 0, shard.shard(), false); });
        if (!declared) return reply(tl::unexpected(declared.error()));
        ++shard.counts().queues_declared;
        if (declared->created) {
          ++shard.counts().queues_created;
          shard.create_queue(vhost, declared->queue);
        }
        reply(declared->created);
      });
  if (!created) return created;
  if (auto done = kept_now(); !done) return tl::unexpected(done.error());
  return created;
}

AmqpResult<std::uint32_t> Operations::delete_queue(std::string_view vhost_name, std::string_view name,
                                                   Host::DeleteIf condition) {
  auto entry = queue(vhost_name, name);
  if (!entry) return tl::unexpected(entry.error());
  auto deleted = ask_shard<std::uint32_t>(
      *shared_.shards()[(*entry)->home], patience_,
      [vhost = shared_.find_vhost(vhost_name), entry = *entry, condition](Shard& shard, const auto& reply) {
        if (!vhost) return reply(0);
        shard.delete_queue(vhost, entry, condition, reply);
      });
  if (!deleted) return deleted;
  if (auto done = kept_now(); !done) return tl::unexpected(done.error());
  return deleted;
}

AmqpResult<std::uint32_t> Operations::purge(std::string_view vhost_name, std::string_view name) {
  auto entry = queue(vhost_name, name);
  if (!entry) return tl::unexpected(entry.error());
  return ask_shard<std::uint32_t>(*shared_.shards()[(*entry)->home], patience_,
                                  [entry = *entry](Shard& shard, const auto& reply) {
                                    shard.purge(entry, [reply](std::uint32_t count) { reply(count); });
                                  });
}

AmqpResult<std::uint64_t> Operations::set_stopped(std::string_view vhost_name, std::string_view name, bool stopped) {
  auto entry = queue(vhost_name, name);
  if (!entry) return tl::unexpected(entry.error());
  auto done = ask_shard<std::optional<std::uint64_t>>(
      *shared_.shards()[(*entry)->home], patience_,
      [entry = *entry, stopped](Shard& shard, const auto& reply) { reply(shard.set_stopped(entry, stopped)); });
  if (!done) return tl::unexpected(done.error());
  if (!*done) return refusal(ReplyCode::not_found, "the queue was deleted meanwhile");
  return **done;
}

AmqpResult<std::vector<Host::Got>> Operations::get(std::string_view vhost_name, std::string_view name,
                                                   std::size_t count, Settlement how) {
  using Messages = std::vector<Host::Got>;
  auto entry = queue(vhost_name, name);
  if (!entry) return tl::unexpected(entry.error());
  return ask_shard<Messages>(
      *shared_.shards()[(*entry)->home], patience_, [entry = *entry, count, how](Shard& shard, const auto& reply) {
        Messages messages;
        Queue* at = shard.find_queue(entry->id);
        if (at != nullptr && at->single_active_consumer() && is_quorum(entry->spec.arguments)) {
          return reply(refusal(ReplyCode::resource_locked,
                               fmt::format("messages cannot be got from queue '{}', which has a single active consumer",
                                           entry->spec.name)));
        }
        std::vector<SettledDelivery> taken;
        Host::Got got;
        while (at != nullptr && messages.size() < count && at->get(false, got.delivery, got.remaining)) {
          taken.push_back({0, got.delivery.id()});
          messages.push_back(std::exchange(got, {}));
        }
        if (!taken.empty()) shard.settle(entry, how, taken);
        reply(std::move(messages));
      });
}

// --- publishing ------------------------------------------------------------------------------------------------------

AmqpResult<Operations::Published> Operations::publish(std::string_view vhost_name, std::string_view exchange,
                                                      std::string_view routing_key, const amqp::Properties& properties,
                                                      std::string_view body) {
  auto found = vhost(vhost_name);
  if (!found) return tl::unexpected(found.error());
  if (const std::string short_of = shared_.config().alarms->reason(); !short_of.empty()) {
    return refusal(ReplyCode::precondition_failed, fmt::format("publishers are blocked: {}", short_of));
  }
  if (body.size() > shared_.config().session.amqp.max_message_size) {
    return refusal(ReplyCode::precondition_failed,
                   fmt::format("a message has at most {} bytes", shared_.config().session.amqp.max_message_size));
  }
  Shard& first = *shared_.shards().front();
  const std::string raw = amqp::encode_properties(properties);
  Message::Origin origin;
  origin.exchange = exchange;
  origin.routing_key = routing_key;
  origin.properties = raw;
  origin.delivery_mode = properties.delivery_mode.value_or(1);
  origin.priority = properties.priority.value_or(0);
  origin.body_size = body.size();
  origin.published_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
  const auto made = Message::create(origin);
  made->append_body(body);
  const MessageRef message = made;

  std::vector<std::string> keys = carbon_copies_of(raw);
  keys.emplace_back(routing_key);
  std::vector<QueueEntryRef> queues;
  std::shared_ptr<SharedDeduplication> known;
  std::uint64_t delay_ms = 0;
  auto routed = (*found)->read([&](const Vhost& topology) -> AmqpResult<void> {
    known = topology.deduplication_of(exchange);
    delay_ms = topology.delay_of(exchange, raw);
    for (const std::string& key : keys) {
      if (auto done = topology.route(exchange, key, raw, queues); !done) return done;
    }
    return {};
  });
  if (!routed) return tl::unexpected(routed.error());
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());

  const auto key = known ? deduplication_key(raw) : std::nullopt;
  if (key && !known->begin(*key, origin.published_ms)) return Published{.routed = true, .duplicate = true};
  if (delay_ms > 0) {
    auto held = ask_shard<bool>(
        first, patience_,
        [vhost = *found, message, due = origin.published_ms + delay_ms](Shard& shard, const auto& reply) {
          const Lsn lsn = shard.publish_later(vhost, message, due);
          shard.when_durable(lsn, [reply] { reply(true); });
        });
    if (!held) return tl::unexpected(held.error());
    return Published{.routed = true};
  }
  Published published{.routed = !queues.empty()};
  // At most a handful; one after the other costs a turn of a loop each.
  for (const QueueEntryRef& to : queues) {
    auto accepted =
        ask_shard<bool>(*shared_.shards()[to->home], patience_,
                        [to, message](Shard& shard, const auto& reply) { shard.publish_here(to, message, reply); });
    if (!accepted) return tl::unexpected(accepted.error());
    published.accepted = published.accepted && *accepted;
  }
  if (key && (queues.empty() || !published.accepted)) known->undo(*key);
  if (auto done = kept_now(); !done) return tl::unexpected(done.error());
  return published;
}

}  // namespace wherry::broker

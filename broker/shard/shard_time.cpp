// What happens by itself: dead letters, delayed messages, queues' timers, and the store's progress.
#include "broker/queueing/dead_letter.h"
#include "broker/routing/carbon_copies.h"
#include "broker/shard/home.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

namespace {
Monotonic at(std::uint64_t time_ms, std::uint64_t now_ms) {
  const std::uint64_t wait = time_ms > now_ms ? time_ms - now_ms : 0;
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(wait);
}

std::vector<QueueEntryRef> route_within(const SharedVhost& vhost, const Message& message,
                                        std::span<const std::string> routing_keys) {
  std::vector<QueueEntryRef> queues;
  vhost.read([&](const Vhost& topology) {
    for (const std::string& key : routing_keys) {
      topology.route_within(message.exchange(), key, message.properties(), queues);
    }
  });
  return queues;
}
}  // namespace

void Shard::Home::wake_at(std::uint64_t time_ms) {
  if (!timer) timer = std::make_unique<net::Timer>(shard.loop_);
  timer->set(at(time_ms, now()), [this] {
    // Deleting the queue destroys this.
    if (queue.on_time(now())) shard.delete_here(vhost, entry->id, {});
  });
}

void Shard::route_dead_letters() {
  for (const DeadLetter& letter : std::exchange(dead_letters_, {})) {
    // The queue itself may have been deleted in this turn.
    const SharedVhostRef vhost = find_vhost(letter.source->vhost);
    if (auto message = reborn(letter, now_ms()); message && vhost) {
      for (const QueueEntryRef& to : route_within(*vhost, *message->message, message->routing_keys)) {
        if (!must_not_reach(to->spec.name, message->message->properties())) publish(to, message->message, {});
      }
    }
    Queue* source = find_queue(letter.source->id);
    if (source != nullptr && letter.position != no_position) source->dead_lettered({&letter.position, 1});
  }
}

Lsn Shard::publish_later(const SharedVhostRef& vhost, const MessageRef& message, std::uint64_t due_ms) {
  Delayed& delayed = delayed_[vhost->name()];
  delayed.vhost = vhost;
  delayed.queue.add(message, due_ms);
  set_delay_timer();
  return 0;
}

void Shard::exchange_deleted(const SharedVhostRef& vhost, std::string_view exchange) {
  // Each publisher's shard holds what was published on it.
  for (unsigned to = 0; to < shared_.shards().size(); ++to) {
    auto drop = [name = vhost->name(), exchange = std::string(exchange)](Shard& there) {
      auto found = there.delayed_.find(name);
      if (found == there.delayed_.end() || found->second.queue.drop(exchange) == 0) return;
      there.set_delay_timer();
    };
    if (to == index_) {
      drop(*this);
    } else {
      send(to, mail::Call{std::move(drop)});
    }
  }
}

void Shard::set_delay_timer() {
  std::uint64_t next = 0;
  for (const auto& [name, delayed] : delayed_) {
    if (auto due = delayed.queue.next_due(); due && (next == 0 || *due < next)) next = *due;
  }
  if (next == delay_timer_at_) return;
  delay_timer_at_ = next;
  if (next == 0) return delay_timer_.cancel();
  delay_timer_.set(at(next, now_ms()), [this] { fire_delayed(); });
}

void Shard::fire_delayed() {
  delay_timer_at_ = 0;
  const std::uint64_t now = now_ms();
  for (auto& [name, delayed] : delayed_) {
    while (MessageRef message = delayed.queue.take_due(now)) {
      std::vector<std::string> keys = carbon_copies_of(message->properties());
      keys.emplace_back(message->routing_key());
      for (const QueueEntryRef& to : route_within(*delayed.vhost, *message, keys)) publish(to, message, {});
    }
  }
  set_delay_timer();
}

void Shard::on_durable() {
  const Lsn durable = store_->durable();
  while (!far_confirms_.empty() && far_confirms_.front().durable_at <= durable) {
    send(far_confirms_.front().from, std::move(far_confirms_.front().answer));
    far_confirms_.pop_front();
  }
  turn_end_visits_.insert(turn_end_visits_.end(), durable_visits_.begin(), durable_visits_.end());
  durable_visits_.clear();
}

}  // namespace wherry::broker

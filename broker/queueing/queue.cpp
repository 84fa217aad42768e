#include "broker/queueing/queue.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "broker/queueing/consumer_turns.h"
#include "broker/queueing/queue_limits.h"
#include "broker/queueing/ready_order.h"
#include "broker/queueing/slots.h"
#include "broker/routing/arguments.h"

namespace wherry::broker {

std::string_view to_string(DeadLetterReason reason) {
  switch (reason) {
    case DeadLetterReason::rejected:
      return "rejected";
    case DeadLetterReason::expired:
      return "expired";
    case DeadLetterReason::maxlen:
      return "maxlen";
    case DeadLetterReason::delivery_limit:
      return "delivery_limit";
  }
  WHERRY_ASSERT(false);
}

// Between two calls one thing always holds: there is no ready message that an available consumer could have had.
struct Queue::Impl {
  Impl(QueueEntryRef queue, MessageStore& message_store, QueueEnvironment& queue_environment)
      : entry(std::move(queue)),
        store(message_store),
        environment(queue_environment),
        limits(entry->spec),
        ready(limits.max_priority),
        turns(limits.single_active_consumer) {
    touch();
  }

  // --- accounts ---
  void count_ready(const Slot& slot, int sign) {
    auto by = static_cast<std::uint64_t>(sign);
    stats.ready_bytes += by * slot.message->body().size();
    if (slot.message->persistent()) stats.ready_persistent += static_cast<std::uint32_t>(sign);
    if (slot.expires_ms) expiring += static_cast<std::uint32_t>(sign);
  }
  void count_unacked(const Slot& slot, int sign) {
    auto by = static_cast<std::uint64_t>(sign);
    unacked += static_cast<std::uint32_t>(sign);
    stats.unacked_bytes += by * slot.message->body().size();
    if (slot.message->persistent()) stats.unacked_persistent += static_cast<std::uint32_t>(sign);
  }

  // --- life of one message ---
  Slot& enter(Position at, const MessageRef& message, std::uint64_t since_ms) {
    Slot& slot = slots.append(at);
    slot.message = message;
    slot.state = SlotState::ready;
    slot.stored = entry->spec.durable && message->persistent();
    std::optional<std::uint64_t> ttl = expiration_of(*message);
    if (limits.message_ttl_ms) ttl = std::min(ttl.value_or(UINT64_MAX), *limits.message_ttl_ms);
    if (ttl) slot.expires_ms = (since_ms ? since_ms : environment.now()) + *ttl;
    count_ready(slot, +1);
    ready.push(at, ready.level_of(message->priority()));
    return slot;
  }
  void come_back(Position at, Slot& slot) {
    count_unacked(slot, -1);
    slot.state = SlotState::ready;
    count_ready(slot, +1);
    ready.push_back_again(at, ready.level_of(slot.message->priority()));
  }
  // Of a message that is neither counted as ready nor as unacked any more.
  void settle(Position at, const Slot& slot) {
    if (slot.stored) store.settle(entry->id, at);
    slots.erase(at);
  }
  void let_go(Position at, Slot& slot, DeadLetterReason reason) {
    if (!limits.dead_letters) return settle(at, slot);
    ++stats.dead_lettered;
    DeadLetter letter{slot.message, entry, slot.stored ? at : no_position, reason};
    if (slot.stored) {
      slot.state = SlotState::leaving;
    } else {
      slots.erase(at);
    }
    environment.dead_letter(std::move(letter));
  }
  void let_head_go(std::size_t level, DeadLetterReason reason) {
    Position at = ready.front_of(level);
    Slot& slot = slots.at(at);
    ready.pop_of(level);
    count_ready(slot, -1);
    ++(reason == DeadLetterReason::expired ? stats.expired : stats.dropped);
    let_go(at, slot, reason);
  }

  Slot& unacked_at(Position at) {
    Slot& slot = slots.at(at);
    WHERRY_ASSERT(slot.state == SlotState::unacked);
    return slot;
  }

  // --- rules ---
  void expire(std::uint64_t now) {
    for (std::size_t level = 0; expiring > 0 && level < ready.levels(); ++level) {
      for (Position at; (at = ready.front_of(level)) != no_position;) {
        std::uint64_t expires = slots.at(at).expires_ms;
        if (expires == 0 || expires > now) break;
        let_head_go(level, DeadLetterReason::expired);
      }
    }
  }
  void drop_excess() {
    if (limits.overflow != Overflow::drop_head || !limits.has_length()) return;
    while (!ready.empty() && limits.exceeded_by(ready.size(), stats.ready_bytes)) {
      let_head_go(ready.lowest_level(), DeadLetterReason::maxlen);
    }
  }

  // Gives ready messages to whom has room. Everything expired was taken away before, but for a message with no time to
  // live at all that has come this moment.
  void pump() {
    while (!ready.empty()) {
      ConsumerRecord* record = turns.next();
      if (!record) return;
      Position at = ready.front();
      Slot& slot = slots.at(at);
      busy = true;
      bool taken = record->consumer->deliver({slot.message, at, slot.redelivered, slot.delivery_count});
      busy = false;
      if (!taken) {
        record->parked = true;
        turns.update(*record);
        continue;
      }
      ready.pop();
      count_ready(slot, -1);
      if (slot.redelivered) ++stats.redelivered;
      if (record->options.no_ack) {
        ++stats.delivered_no_ack;
        settle(at, slot);
      } else {
        ++stats.delivered;
        slot.state = SlotState::unacked;
        count_unacked(slot, +1);
        ++record->unsettled;
      }
      turns.took(*record);
    }
  }
  // After whatever could give somebody work.
  void settle_down() {
    if (pauses > 0) return;
    if (expiring > 0) expire(environment.now());
    drop_excess();
    pump();
    schedule();
  }
  void give_room(Consumer* consumer, std::size_t count) {
    ConsumerRecord* record = consumer ? turns.find(consumer) : nullptr;
    if (!record) return;
    WHERRY_ASSERT(record->unsettled >= count);
    record->unsettled -= static_cast<std::uint32_t>(count);
    turns.update(*record);
  }

  // --- time ---
  void touch() {
    if (!limits.expires_ms) return;
    last_used_ms = environment.now();
    schedule();
  }
  bool unused_until(std::uint64_t& time_ms) const {
    if (!limits.expires_ms || turns.size() > 0) return false;
    time_ms = last_used_ms + *limits.expires_ms;
    return true;
  }
  void schedule() {
    std::uint64_t earliest = UINT64_MAX;
    for (std::size_t level = 0; expiring > 0 && level < ready.levels(); ++level) {
      Position at = ready.front_of(level);
      std::uint64_t expires = at == no_position ? 0 : slots.at(at).expires_ms;
      if (expires) earliest = std::min(earliest, expires);
    }
    if (std::uint64_t unused = 0; unused_until(unused)) earliest = std::min(earliest, unused);
    if (earliest >= wake_ms) return;
    wake_ms = earliest;
    environment.wake_at(earliest);
  }

  QueueEntryRef entry;
  MessageStore& store;
  QueueEnvironment& environment;
  const QueueLimits limits;
  Slots slots;
  ReadyOrder ready;
  ConsumerTurns turns;
  QueueStats stats;
  std::uint32_t unacked = 0;
  std::uint32_t expiring = 0;  // Ready messages that expire some time.
  std::uint64_t last_used_ms = 0;
  std::uint64_t wake_ms = UINT64_MAX;  // When we asked to be woken.
  bool ever_consumed = false;
  bool busy = false;  // Inside a consumer's deliver().
  unsigned pauses = 0;
};

Queue::Queue(QueueEntryRef entry, MessageStore& store, QueueEnvironment& environment)
    : impl_(std::make_unique<Impl>(std::move(entry), store, environment)) {}
Queue::~Queue() = default;

const QueueEntry& Queue::entry() const {
  return *impl_->entry;
}

std::uint32_t Queue::recover() {
  Impl& queue = *impl_;
  WHERRY_ASSERT(queue.slots.end() == no_position + 1);
  queue.store.recover(queue.entry->id, [&](const MessageStore::Recovered& kept) {
    Slot& slot = queue.enter(kept.at, kept.message, kept.message->published_ms());
    slot.stored = true;
    slot.delivery_count = kept.delivery_count;
    slot.redelivered = kept.delivery_count > 0;
  });
  std::uint32_t recovered = queue.ready.size();
  queue.settle_down();
  return recovered;
}

Queue::Accepted Queue::publish(const MessageRef& message) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy && queue.pauses == 0 && message->complete());
  const QueueLimits& limits = queue.limits;
  if (limits.overflow != Overflow::drop_head &&
      limits.exceeded_by(std::uint64_t{queue.ready.size()} + 1, queue.stats.ready_bytes + message->body().size())) {
    ++queue.stats.rejected_publishes;
    if (limits.overflow == Overflow::reject_publish_dlx && limits.dead_letters) {
      ++queue.stats.dead_lettered;
      queue.environment.dead_letter({message, queue.entry, no_position, DeadLetterReason::maxlen});
    }
    return {.accepted = false, .durable_at = 0};
  }
  ++queue.stats.published;
  Position at = queue.slots.end();
  bool stored = queue.enter(at, message, 0).stored;
  Lsn durable_at = stored ? queue.store.append(queue.entry->id, at, message) : 0;
  // Before its time to live is looked at: with none, it lives only if somebody takes it now.
  queue.pump();
  queue.settle_down();
  return {.accepted = true, .durable_at = durable_at};
}

Queue::Pause::Pause(Queue& queue) : queue_(queue) {
  ++queue_.impl_->pauses;
}
Queue::Pause::~Pause() {
  if (--queue_.impl_->pauses == 0) queue_.impl_->settle_down();
}

AmqpResult<void> Queue::add_consumer(Consumer& consumer, const ConsumerOptions& options) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  const bool alone = queue.turns.size() == 0 && !queue.limits.single_active_consumer;
  if (queue.turns.any_exclusive() || (options.exclusive && !alone)) {
    return refuse(amqp::ReplyCode::access_refused,
                  resource("queue", queue.entry->spec.name, queue.entry->vhost) + " in exclusive use");
  }
  queue.turns.add(consumer, options);
  queue.ever_consumed = true;
  queue.settle_down();
  return {};
}

bool Queue::remove_consumer(Consumer& consumer) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  queue.turns.remove(consumer);
  bool last = queue.turns.size() == 0;
  if (last) queue.touch();
  queue.settle_down();
  return last;
}

void Queue::resume(Consumer& consumer) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  ConsumerRecord* record = queue.turns.find(&consumer);
  if (!record || !record->parked) return;
  record->parked = false;
  queue.turns.update(*record);
  queue.settle_down();
}

void Queue::set_prefetch(Consumer& consumer, std::uint32_t prefetch) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  ConsumerRecord* record = queue.turns.find(&consumer);
  if (!record) return;
  record->options.prefetch = prefetch;
  queue.turns.update(*record);
  queue.settle_down();
}

bool Queue::get(bool no_ack, Delivery& delivery, std::uint32_t& remaining) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  queue.touch();
  if (queue.expiring > 0) queue.expire(queue.environment.now());
  remaining = 0;
  if (queue.ready.empty()) {
    ++queue.stats.get_empty;
    return false;
  }
  Position at = queue.ready.front();
  Slot& slot = queue.slots.at(at);
  delivery = {slot.message, at, slot.redelivered, slot.delivery_count};
  queue.ready.pop();
  queue.count_ready(slot, -1);
  if (slot.redelivered) ++queue.stats.redelivered;
  if (no_ack) {
    ++queue.stats.got_no_ack;
    queue.settle(at, slot);
  } else {
    ++queue.stats.got;
    slot.state = SlotState::unacked;
    queue.count_unacked(slot, +1);
  }
  remaining = queue.ready.size();
  queue.schedule();
  return true;
}

void Queue::ack(Consumer* consumer, std::span<const Position> positions) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  for (Position at : positions) {
    Slot& slot = queue.unacked_at(at);
    queue.count_unacked(slot, -1);
    queue.settle(at, slot);
  }
  queue.stats.acked += positions.size();
  queue.give_room(consumer, positions.size());
  queue.settle_down();
}

void Queue::requeue(Consumer* consumer, std::span<const Position> positions) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  for (Position at : positions) {
    Slot& slot = queue.unacked_at(at);
    ++slot.delivery_count;
    slot.redelivered = true;
    if (queue.limits.delivery_limit && slot.delivery_count > *queue.limits.delivery_limit) {
      queue.count_unacked(slot, -1);
      ++queue.stats.over_delivery_limit;
      queue.let_go(at, slot, DeadLetterReason::delivery_limit);
      continue;
    }
    if (slot.stored) queue.store.attempted(queue.entry->id, at, slot.delivery_count);
    ++queue.stats.requeued;
    queue.come_back(at, slot);
  }
  queue.give_room(consumer, positions.size());
  queue.settle_down();
}

void Queue::discard(Consumer* consumer, std::span<const Position> positions) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  for (Position at : positions) {
    Slot& slot = queue.unacked_at(at);
    queue.count_unacked(slot, -1);
    queue.let_go(at, slot, DeadLetterReason::rejected);
  }
  queue.stats.discarded += positions.size();
  queue.give_room(consumer, positions.size());
  queue.settle_down();
}

void Queue::dead_lettered(std::span<const Position> positions) {
  for (Position at : positions) {
    Slot* slot = impl_->slots.find(at);
    if (slot && slot->state == SlotState::leaving) impl_->settle(at, *slot);
  }
}

void Queue::give_back(Consumer& consumer, std::span<const Position> positions) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  for (Position at : positions) {
    Slot& slot = queue.unacked_at(at);
    if (slot.redelivered) --queue.stats.redelivered;
    queue.come_back(at, slot);
  }
  queue.stats.delivered -= positions.size();
  if (ConsumerRecord* record = queue.turns.find(&consumer)) record->parked = true;
  queue.give_room(&consumer, positions.size());
  queue.settle_down();
}

std::uint32_t Queue::purge() {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  std::uint32_t count = queue.ready.size();
  while (!queue.ready.empty()) {
    Position at = queue.ready.front();
    Slot& slot = queue.slots.at(at);
    queue.ready.pop();
    queue.count_ready(slot, -1);
    queue.settle(at, slot);
  }
  queue.stats.purged += count;
  return count;
}

void Queue::delete_all() {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  std::vector<Consumer*> consumers;
  queue.turns.each([&](const ConsumerRecord& record) { consumers.push_back(record.consumer); });
  // Nothing of the old state is left when the consumers hear of it.
  Slots none;
  std::swap(queue.slots, none);
  queue.ready = ReadyOrder(queue.limits.max_priority);
  queue.turns = ConsumerTurns(queue.limits.single_active_consumer);
  queue.unacked = queue.expiring = 0;
  queue.stats.ready_bytes = queue.stats.unacked_bytes = 0;
  queue.stats.ready_persistent = queue.stats.unacked_persistent = 0;
  if (queue.entry->spec.durable) queue.store.drop(queue.entry->id);
  for (Consumer* consumer : consumers) consumer->on_queue_deleted();
}

void Queue::touch() {
  impl_->touch();
}

bool Queue::on_time(std::uint64_t now_ms) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  queue.wake_ms = UINT64_MAX;
  queue.expire(now_ms);
  if (std::uint64_t unused = 0; queue.unused_until(unused) && unused <= now_ms) return true;
  queue.schedule();
  return false;
}

std::uint32_t Queue::ready_count() const {
  return impl_->ready.size();
}
std::uint32_t Queue::unacked_count() const {
  return impl_->unacked;
}
std::uint32_t Queue::consumer_count() const {
  return static_cast<std::uint32_t>(impl_->turns.size());
}
bool Queue::ever_consumed() const {
  return impl_->ever_consumed;
}
bool Queue::single_active_consumer() const {
  return impl_->limits.single_active_consumer;
}
const QueueStats& Queue::stats() const {
  return impl_->stats;
}

std::uint64_t Queue::head_published_ms() const {
  return impl_->ready.empty() ? 0 : impl_->slots.at(impl_->ready.front()).message->published_ms();
}

void Queue::each_consumer(const std::function<void(const ConsumerInfo&)>& visit) const {
  impl_->turns.each([&](const ConsumerRecord& record) {
    visit({*record.consumer, record.options, record.unsettled, impl_->turns.active(record)});
  });
}

}  // namespace wherry::broker

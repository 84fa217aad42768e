#include "broker/queueing/queue.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/queueing/queue_impl.h"
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

Queue::Queue(QueueEntryRef entry, MessageStore& store, QueueEnvironment& environment)
    : impl_(std::make_unique<Impl>(std::move(entry), store, environment)) {}
Queue::~Queue() = default;

const QueueEntry& Queue::entry() const {
  return *impl_->entry;
}

const QueueLimits& Queue::limits() const {
  return impl_->limits;
}

void Queue::set_limits(const QueueLimits& limits) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy && queue.pauses == 0);
  const QueueLimits before = std::exchange(queue.limits, limits);
  queue.limits.max_priority = before.max_priority;
  queue.limits.fair_key = before.fair_key;
  queue.limits.single_active_consumer = before.single_active_consumer;
  queue.consumer_timeout_ms = limits.consumer_timeout_ms.value_or(queue.environment.consumer_timeout_ms());
  queue.durability = limits.durability.value_or(queue.environment.durability());
  if (limits.message_ttl_ms != before.message_ttl_ms) {
    // What is on the disk is looked at with the new limit when it comes back.
    queue.slots.each([&queue](Slot& slot) {
      if (slot.message) slot.expires_ms = queue.expires(*slot.message, slot.message->published_ms());
    });
  }
  if (limits.expires_ms != before.expires_ms) queue.touch();
  queue.set_deduplication();
  queue.settle_down();
}

std::uint32_t Queue::recover() {
  Impl& queue = *impl_;
  WHERRY_ASSERT(queue.slots.end() == no_position + 1);
  // Where duplicates are looked for: the keys in memory, and which positions are not.
  std::vector<Deduplication::Known> keys;
  std::unordered_map<std::uint64_t, ChunkBits> pages;
  const Position end = queue.store.recover(
      queue.entry->id,
      [&](const MessageStore::Loaded& kept) {
        Slot& slot = queue.enter(kept.at, kept.message, kept.message->published_ms());
        slot.stored = true;
        queue.set_counts(slot, kept.delivery_count);
        if (!queue.known) return;
        if (auto key = deduplication_key(kept.message->properties())) {
          keys.push_back({.key = std::move(*key), .at = kept.at, .since_ms = kept.message->published_ms()});
        }
      },
      [&](const MessageStore::Page& page) {
        queue.recover_page(page);
        if (queue.known) pages.emplace(page.chunk, page.live);
      });
  queue.slots.skip_to(end);
  if (queue.known) {
    queue.recover_known(std::move(keys), [&](Position at) {
      const auto page = pages.find(at / chunk_positions);
      return queue.slots.find(at) != nullptr ||
             (page != pages.end() && page->second.test(static_cast<unsigned>(at % chunk_positions)));
    });
  }
  std::uint32_t recovered = queue.ready.size();
  queue.settle_down();
  return recovered;
}

void Queue::browse(std::size_t limit, const std::function<void(const Message&, bool)>& visit) {
  std::vector<std::pair<Position, Position>> runs;
  impl_->ready.each_run([&](Position begin, Position end) { runs.emplace_back(begin, end); });
  std::sort(runs.begin(), runs.end());
  for (const auto& [begin, end] : runs) {
    for (Position at = begin; at < end; ++at) {
      if (limit-- == 0) return;
      if (const Slot* slot = impl_->in_memory(at)) visit(*slot->message, slot->redelivered);
    }
  }
}

Queue::Accepted Queue::publish(MessageRef message) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy && queue.pauses == 0 && message->complete());
  return queue.known ? queue.publish_once(std::move(message)) : queue.publish(std::move(message));
}

Queue::Accepted Queue::Impl::publish(MessageRef message) {
  if (limits.hold_eta) {
    if (const auto waits = hold(message)) return *waits;
  }
  if (limits.overflow != Overflow::drop_head &&
      limits.exceeded_by(std::uint64_t{ready.size()} + 1, stats.ready_bytes + message->body().size())) {
    ++stats.rejected_publishes;
    if (limits.overflow == Overflow::reject_publish_dlx && limits.dead_letters) {
      ++stats.dead_lettered;
      environment.dead_letter({message, entry, no_position, DeadLetterReason::maxlen, limits.dead_letters});
    }
    return {.accepted = false, .durable_at = 0};
  }
  ++stats.published;
  return {.accepted = true, .durable_at = admit(std::move(message), nullptr)};
}

void Queue::release(MessageRef message, const ScheduleKey& from) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy && queue.pauses == 0);
  const HoldTimes times = hold_times(message->properties());
  const Position at = queue.slots.end();
  std::optional<std::string> key;
  if (queue.known) key = deduplication_key(message->properties());
  if (times.expires_ms && *times.expires_ms <= queue.environment.now()) {
    queue.expire_on_arrival(std::move(message), &from);
  } else {
    const std::string properties = released_properties(message->properties());
    queue.admit(Message::with_properties(message, properties), &from);
  }
  if (key) queue.placed(*key, at);
}

void Queue::taken_back(std::span<const HeldMessage> messages) {
  if (!impl_->known) return;
  for (const HeldMessage& message : messages) {
    if (message.deduplication_key) impl_->forget_known(*message.deduplication_key);
  }
}

bool Queue::renew_notes(Lsn up_to) {
  Impl& queue = *impl_;
  return queue.known && queue.known->renew(up_to, [&](std::string_view entries) {
    return queue.store.note(queue.entry->id, entries, queue.durability);
  });
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
  remaining = 0;
  Slot* first = nullptr;
  // However many have expired: there may be one behind them that has not.
  do {
    queue.overdue = false;
    if (queue.may_expire()) queue.expire(queue.environment.now());
    if (!queue.overdue) first = queue.head();
  } while (queue.overdue);
  if (first == nullptr) {
    ++queue.stats.get_empty;
    return false;
  }
  Slot& slot = *first;
  Position at = queue.ready.front();
  delivery = {slot.message, at, slot.redelivered, slot.delivery_count, slot.lost_count};
  queue.ready.pop();
  // A rate limit counts it, but who asks gets what is there.
  if (queue.limits.rate && queue.rate_allows()) queue.bucket.take();
  queue.count_ready(slot, -1);
  if (slot.redelivered) ++queue.stats.redelivered;
  if (no_ack) {
    ++queue.stats.got_no_ack;
    queue.settle(at, slot);
  } else {
    ++queue.stats.got;
    queue.hand_out(at, slot, 0, true);
  }
  // What has expired behind it is not left.
  if (queue.may_expire()) queue.expire(queue.environment.now());
  remaining = queue.ready.size();
  queue.schedule();
  return true;
}

void Queue::ack(Consumer* consumer, std::span<const DeliveryId> deliveries) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  for (const DeliveryId& delivery : deliveries) {
    Slot* slot = queue.settling(delivery);
    if (slot == nullptr) continue;
    queue.count_unacked(*slot, -1);
    queue.settle(delivery.position, *slot);
    ++queue.stats.acked;
  }
  queue.give_room(consumer, deliveries.size());
  queue.settle_down();
}

void Queue::requeue(Consumer* consumer, std::span<const DeliveryId> deliveries, bool lost) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  for (const DeliveryId& delivery : deliveries) {
    if (Slot* slot = queue.settling(delivery)) queue.come_back_undone(delivery.position, *slot, lost);
  }
  queue.give_room(consumer, deliveries.size());
  queue.settle_down();
}

void Queue::discard(Consumer* consumer, std::span<const DeliveryId> deliveries) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  for (const DeliveryId& delivery : deliveries) {
    Slot* slot = queue.settling(delivery);
    if (slot == nullptr) continue;
    queue.count_unacked(*slot, -1);
    ++queue.stats.discarded;
    queue.let_go(delivery.position, *slot, DeadLetterReason::rejected);
  }
  queue.give_room(consumer, deliveries.size());
  queue.settle_down();
}

void Queue::dead_lettered(std::span<const Position> positions) {
  for (Position at : positions) {
    Slot* slot = impl_->slots.find(at);
    if (slot && slot->state == SlotState::leaving) impl_->settle(at, *slot);
  }
}

void Queue::give_back(Consumer& consumer, std::span<const DeliveryId> deliveries) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  for (const DeliveryId& delivery : deliveries) {
    Slot* slot = queue.settling(delivery);
    if (slot == nullptr) continue;
    if (queue.times) queue.times->take_back(delivery);
    if (slot->redelivered) --queue.stats.redelivered;
    --queue.stats.delivered;
    if (queue.limits.rate) queue.bucket.put_back();
    queue.come_back(delivery.position, *slot);
  }
  if (ConsumerRecord* record = queue.turns.find(&consumer)) record->parked = true;
  queue.give_room(&consumer, deliveries.size());
  queue.settle_down();
}

std::uint32_t Queue::purge() {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  std::uint32_t count = queue.ready.size();
  // Whatever is on the disk is not looked at: ten million messages are a few runs of positions.
  queue.ready.each_run([&](Position begin, Position end) {
    if (queue.in_store()) queue.store.settle_range(queue.entry->id, begin, end);
    queue.slots.erase_ready(begin, end);
  });
  queue.ready = queue.empty_order();
  queue.stats.ready_bytes = queue.stats.ready_persistent = queue.own_expiring = 0;
  queue.overdue = queue.excess = false;
  count += static_cast<std::uint32_t>(queue.store.delays().drop_held(queue.entry->id));
  if (queue.known) {
    std::string forgotten;
    queue.known->retain([&](Position at) { return at != no_position && queue.slots.find(at) != nullptr; },
                        [&](const Deduplication::Known& one) {
                          if (one.at == no_position) Deduplication::encode_forgotten(forgotten, one.key);
                        });
    if (!forgotten.empty()) queue.store.note(queue.entry->id, forgotten, Durability::none);
  }
  queue.stats.purged += count;
  queue.schedule();
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
  queue.ready = queue.empty_order();
  queue.times.reset();
  queue.timed_out = 0;
  queue.turns = ConsumerTurns(queue.limits.single_active_consumer);
  queue.unacked = queue.own_expiring = 0;
  queue.stats.ready_bytes = queue.stats.unacked_bytes = 0;
  queue.stats.ready_persistent = queue.stats.unacked_persistent = 0;
  if (queue.in_store()) queue.store.drop(queue.entry->id);
  queue.store.delays().drop_held(queue.entry->id);
  for (Consumer* consumer : consumers) consumer->on_queue_deleted();
}

void Queue::on_kept(std::uint64_t chunk, ChunkBits which, bool spilled) {
  Impl& queue = *impl_;
  which.each([&](unsigned bit) {
    const Position at = chunk * chunk_positions + bit;
    if (!spilled) return;
    // Somebody took it while it was on its way to the disk, and may have brought it back.
    const Slot* slot = queue.slots.find(at);
    if (slot == nullptr) {
      queue.store.settle(queue.entry->id, at);
    } else if (slot->delivery_count > 0) {
      queue.store.attempted(queue.entry->id, at, queue.counts(*slot).as_kept());
    }
  });
  // Near the head they are wanted soon.
  const std::uint64_t head = queue.ready.empty() ? chunk : queue.ready.oldest() / chunk_positions;
  queue.slots.keep(chunk, which, chunk <= head + 1);
}

void Queue::page_out() {
  impl_->page_out();
}

void Queue::touch() {
  impl_->touch();
}

bool Queue::on_time(std::uint64_t now_ms) {
  Impl& queue = *impl_;
  WHERRY_ASSERT(!queue.busy);
  queue.wake_ms = UINT64_MAX;
  if (std::uint64_t unused = 0; queue.unused_until(unused) && unused <= now_ms) return true;
  queue.time_out(now_ms);
  queue.settle_down();
  return false;
}

void Queue::Impl::time_out(std::uint64_t now) {
  std::vector<std::pair<std::uint64_t, std::size_t>> losers;  // Consumers and how many deliveries.
  while (const DeliveryTimes::Made* made = oldest_delivery()) {
    if (made->at_ms + consumer_timeout_ms > now) break;
    auto loser =
        std::find_if(losers.begin(), losers.end(), [&](const auto& each) { return each.first == made->consumer; });
    if (loser == losers.end()) loser = losers.insert(loser, {made->consumer, 0});
    ++loser->second;
    ++stats.timed_out;
    ++timed_out;
    const Position at = made->delivery.position;
    times->pop_oldest();
    come_back_undone(at, slots.at(at), true);
  }
  for (const auto& [joined, deliveries] : losers) {
    std::string_view tag;
    turns.each([&](const ConsumerRecord& record) {
      if (record.joined == joined) tag = record.options.tag;
    });
    environment.timed_out(tag, deliveries);
  }
}

void Queue::set_stopped(bool stopped) {
  WHERRY_ASSERT(!impl_->busy && impl_->pauses == 0);
  impl_->stopped = stopped;
  impl_->settle_down();
}
bool Queue::stopped() const {
  return impl_->stopped;
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
std::uint64_t Queue::held_count() const {
  return impl_->store.delays().held(impl_->entry->id);
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
  // What is not in memory is not read for a listing.
  const Slot* slot = impl_->ready.empty() ? nullptr : impl_->slots.find(impl_->ready.front());
  return slot != nullptr && slot->message ? slot->message->published_ms() : 0;
}

void Queue::each_consumer(const std::function<void(const ConsumerInfo&)>& visit) const {
  impl_->turns.each([&](const ConsumerRecord& record) {
    visit({*record.consumer, record.options, record.unsettled, impl_->turns.active(record)});
  });
}

}  // namespace wherry::broker

// Queue::Impl: the state of a queue and the rules between its parts: accounts, the life of a message, what is paged
// out, expiry and length, who gets what, and time. For this room's sources; queue.h has the contract.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "broker/queueing/consumer_turns.h"
#include "broker/queueing/delivery_times.h"
#include "broker/queueing/fair_key.h"
#include "broker/queueing/held_message.h"
#include "broker/queueing/loaded_pages.h"
#include "broker/queueing/queue.h"
#include "broker/queueing/queue_limits.h"
#include "broker/queueing/ready_order.h"
#include "broker/queueing/slots.h"

namespace wherry::broker {

// Between two calls one thing always holds: there is no ready message that an available consumer could have had, but
// for those that a rate limit holds back, and while expired ones are being taken away in portions (overdue).
struct Queue::Impl {
  Impl(QueueEntryRef queue, MessageStore& message_store, QueueEnvironment& queue_environment)
      : entry(std::move(queue)),
        store(message_store),
        environment(queue_environment),
        limits(entry->spec.arguments),
        durability(limits.durability.value_or(environment.durability())),
        consumer_timeout_ms(limits.consumer_timeout_ms.value_or(environment.consumer_timeout_ms())),
        ready(empty_order()),
        turns(limits.single_active_consumer) {
    if (ready.fair()) loaded_pages = std::make_unique<LoadedPages>();
    set_deduplication();
    touch();
  }

  using Head = ReadyOrder::Head;

  // --- accounts ---
  void count_ready(const Slot& slot, int sign) {
    auto by = static_cast<std::uint64_t>(sign);
    stats.ready_bytes += by * slot.message->body().size();
    if (slot.message->persistent()) stats.ready_persistent += static_cast<std::uint32_t>(sign);
    if (slot.message->has_expiration()) own_expiring += static_cast<std::uint32_t>(sign);
  }
  void count_unacked(const Slot& slot, int sign) {
    auto by = static_cast<std::uint64_t>(sign);
    unacked += static_cast<std::uint32_t>(sign);
    stats.unacked_bytes += by * slot.message->body().size();
    if (slot.message->persistent()) stats.unacked_persistent += static_cast<std::uint32_t>(sign);
  }

  // Whether any ready message expires some time.
  bool may_expire() const { return limits.message_ttl_ms ? !ready.empty() : own_expiring > 0; }
  Accepted publish(MessageRef message);

  // --- life of one message ---
  std::uint64_t expires(const Message& message, std::uint64_t since_ms) const {
    std::optional<std::uint64_t> ttl = expiration_of(message);
    if (limits.message_ttl_ms) ttl = std::min(ttl.value_or(UINT64_MAX), *limits.message_ttl_ms);
    return ttl ? (since_ms ? since_ms : environment.now()) + *ttl : 0;
  }
  ReadyOrder empty_order() const { return {limits.max_priority, !limits.fair_key.empty()}; }
  void push_ready(Position at, const Message& message) {
    const std::uint8_t level = ready.level_of(message.priority());
    if (ready.fair()) return ready.push(at, level, fair_key(message, limits.fair_key));
    ready.push(at, level);
  }
  Slot& enter(Position at, MessageRef message, std::uint64_t since_ms) {
    Slot& slot = slots.append(at);
    slot.message = std::move(message);
    slot.state = SlotState::ready;
    slot.expires_ms = expires(*slot.message, since_ms);
    count_ready(slot, +1);
    push_ready(at, *slot.message);
    return slot;
  }
  void recover_page(const MessageStore::Page& page) {
    const Position first = page.chunk * chunk_positions;
    if (ready.levels() > 1 || ready.fair()) {
      // Only the messages themselves know their priority and their key.
      page.live.each([&](unsigned bit) {
        if (Slot* slot = in_memory(first + bit)) {
          count_ready(*slot, +1);
          push_ready(first + bit, *slot->message);
        }
      });
      slots.keep(page.chunk, page.live, false);
      return;
    }
    // Mostly one run: ten million messages are eighty thousand of them.
    if (page.live == ChunkBits::range(page.live.first(), page.live.last() + 1)) {
      ready.push_run(first + page.live.first(), first + page.live.last() + 1, 0);
    } else {
      page.live.each([&](unsigned bit) { ready.push(first + bit, 0); });
    }
    stats.ready_bytes += page.body_bytes;
    stats.ready_persistent += page.live.count();
    own_expiring += page.expiring;
  }
  void come_back(Position at, Slot& slot) {
    count_unacked(slot, -1);
    slot.state = SlotState::ready;
    count_ready(slot, +1);
    const std::uint8_t level = ready.level_of(slot.message->priority());
    if (ready.fair()) return ready.push_back_again(at, level, fair_key(*slot.message, limits.fair_key));
    ready.push_back_again(at, level);
  }
  static DeliveryCounts counts(const Slot& slot) { return {slot.delivery_count, slot.lost_count}; }
  static void set_counts(Slot& slot, std::uint32_t kept) {
    const DeliveryCounts counted = DeliveryCounts::from(kept);
    slot.delivery_count = counted.returned;
    slot.lost_count = counted.lost;
    slot.redelivered = counted.returned > 0;
  }
  // A delivery came back without having been settled: to its place, or away when that was once too often.
  void come_back_undone(Position at, Slot& slot, bool lost) {
    ++slot.delivery_count;
    slot.lost_count = lost ? std::min<std::uint8_t>(slot.lost_count, UINT8_MAX - 1) + 1 : 0;
    slot.redelivered = true;
    if (limits.delivery_limit && slot.delivery_count > *limits.delivery_limit) {
      count_unacked(slot, -1);
      ++stats.over_delivery_limit;
      return let_go(at, slot, DeadLetterReason::delivery_limit);
    }
    if (slot.stored) store.attempted(entry->id, at, counts(slot).as_kept());
    ++stats.requeued;
    come_back(at, slot);
  }
  // Of a message that is neither counted as ready nor as unacked any more.
  void settle(Position at, const Slot& slot) {
    if (slot.stored) store.settle(entry->id, at);
    erase(at);
  }
  void erase(Position at) {
    slots.erase(at);
    if (known) known->left(at);
  }
  void let_go(Position at, Slot& slot, DeadLetterReason reason) {
    if (!limits.dead_letters) return settle(at, slot);
    ++stats.dead_lettered;
    DeadLetter letter{slot.message, entry, slot.stored ? at : no_position, reason, limits.dead_letters};
    if (slot.stored) {
      slot.state = SlotState::leaving;
    } else {
      erase(at);
    }
    environment.dead_letter(std::move(letter));
  }
  // Of a message that has just come: it is in the store and given to whom can take it.
  Lsn admit(MessageRef message, const ScheduleKey* from) {
    const Position at = slots.end();
    const bool to_store = entry->spec.durable && message->persistent();
    // Before its time to live is looked at: with none, it lives only if somebody takes it now.
    const bool waits = !ready.empty() || !hand_over(at, message);
    if (waits) {
      enter(at, std::move(message), 0);
      pump(at);
    }
    Lsn durable_at = 0;
    if (to_store) {
      // What somebody took without acknowledgement is settled, and need not be stored.
      if (Slot* slot = slots.find(at)) durable_at = keep(at, *slot, from);
    }
    if (at % chunk_positions == 0 && environment.memory_short()) page_out();
    if (waits) {
      settle_down();
    } else {
      schedule();
    }
    return durable_at;
  }
  Lsn keep(Position at, Slot& slot, const ScheduleKey* from) {
    slot.stored = true;
    return from == nullptr ? store.append(entry->id, at, slot.message, durability)
                           : store.append_released(entry->id, at, slot.message, durability, *from);
  }
  // Of a message whose header says that its time is over: nobody is given it.
  Lsn expire_on_arrival(MessageRef message, const ScheduleKey* from) {
    ++stats.expired;
    if (!limits.dead_letters) return 0;
    // A place in the queue, so that a crash finds it there until its next queue has it.
    const Position at = slots.end();
    Slot& slot = slots.append(at);
    slot.message = std::move(message);
    Lsn durable_at = 0;
    if (entry->spec.durable && slot.message->persistent()) durable_at = keep(at, slot, from);
    let_go(at, slot, DeadLetterReason::expired);
    return durable_at;
  }
  // Of x-hold-eta. Nothing: the message is to be had now.
  std::optional<Accepted> hold(MessageRef& message) {
    const HoldTimes asked = hold_times(message->properties());
    if (!asked.eta_ms && !asked.expires_ms) return std::nullopt;
    const std::uint64_t now = environment.now();
    if (asked.expires_ms && *asked.expires_ms <= now) {
      ++stats.published;
      return Accepted{.accepted = true, .durable_at = expire_on_arrival(std::move(message), nullptr)};
    }
    if (!asked.eta_ms || *asked.eta_ms <= now) return std::nullopt;
    ++stats.published;
    ++stats.held;
    const std::uint64_t due = std::min(*asked.eta_ms, asked.expires_ms.value_or(UINT64_MAX));
    const Lsn durable_at = store.delays().hold(entry->id, std::move(message), due, durability);
    environment.held();
    return Accepted{.accepted = true, .durable_at = durable_at};
  }
  void let_head_go(std::size_t level, Head which, DeadLetterReason reason) {
    Slot* head = head_of(level, which);
    if (head == nullptr) return;
    Slot& slot = *head;
    Position at = ready.front_of(level, which);
    ready.pop_of(level, which);
    count_ready(slot, -1);
    ++(reason == DeadLetterReason::expired ? stats.expired : stats.dropped);
    let_go(at, slot, reason);
  }

  bool in_store() const { return entry->spec.durable || kept_anything; }

  // --- deduplication (queue_deduplication.cpp) ---
  Accepted publish_once(MessageRef message);
  void set_deduplication();  // As the limits have it now.
  void note(Deduplication::Known& one);
  void forget_known(const std::string& key);
  void recover_known(std::vector<Deduplication::Known> in_memory, const std::function<bool(Position at)>& in_queue);
  // A message that was held has come to this position, if it is still there.
  void placed(const std::string& key, Position at);

  // --- what was paged out ---
  // The slot of a ready message, in memory; null when the disk has lost it.
  Slot* in_memory(Position at) {
    Slot* slot = slots.find(at);
    if (slot != nullptr && slot->message) return slot;
    if (loaded_pages) {
      // Each key reads at a place of its own.
      loaded_pages->make_room([this](std::uint64_t chunk) { slots.keep(chunk, {}, false); });
      slot = slots.find(at);
    }
    if (slot == nullptr) {
      slots.revive(at / chunk_positions, store.kept_in(entry->id, at / chunk_positions));
      slot = slots.find(at);
    }
    if (slot == nullptr) return nullptr;
    std::size_t bytes = 0;
    store.load(entry->id, at, [&](const MessageStore::Loaded& loaded) {
      Slot* absent = slots.find(loaded.at);
      if (absent == nullptr || absent->state != SlotState::ready || absent->message) return;
      absent->message = loaded.message;
      absent->expires_ms = expires(*loaded.message, loaded.message->published_ms());
      set_counts(*absent, loaded.delivery_count);
      bytes += loaded.message->footprint();
    });
    if (loaded_pages) loaded_pages->add(at / chunk_positions, bytes);
    if (slot->message) return slot;
    erase(at);
    return nullptr;
  }
  // The next or the oldest ready message of a level; null when there is none. Those that were lost on the way are gone.
  Slot* head_of(std::size_t level, Head which) {
    for (Position at; (at = ready.front_of(level, which)) != no_position;) {
      if (Slot* slot = in_memory(at)) return slot;
      ready.pop_of(level, which);
      ++stats.lost;
      // Nobody can say what they held: the accounts are right again when nothing is left.
      if (ready.empty()) stats.ready_bytes = stats.ready_persistent = own_expiring = 0;
    }
    return nullptr;
  }
  // The message that leaves next, and none that has expired, but for `fresh`: with no time to live at all it is there
  // for whom can take it this moment. Null when nothing is ready, or overdue.
  Slot* head(Position fresh = no_position) {
    for (std::size_t left = portion; !ready.empty();) {
      Slot* slot = head_of(ready.top(), Head::next);
      if (slot == nullptr) continue;
      if (slot->expires_ms == 0 || ready.front() == fresh || slot->expires_ms > environment.now()) return slot;
      overdue = left == 0;
      if (overdue) return nullptr;
      --left;
      let_head_go(ready.top(), Head::next, DeadLetterReason::expired);
    }
    return nullptr;
  }

  void page_out() {
    if (ready.empty()) return;
    std::vector<MessageStore::Loaded> spilled;
    slots.each_ready_from(ready.oldest() / chunk_positions + 2, [&](Position at, Slot& slot) {
      // What the store was given it moves by itself.
      if (slot.stored || slot.spilling) return;
      slot.spilling = kept_anything = true;
      spilled.push_back({at, slot.message, counts(slot).as_kept()});
    });
    if (!spilled.empty()) store.spill(entry->id, std::move(spilled));
  }

  // --- deliveries ---
  Slot* find_open(const DeliveryId& delivery) {
    Slot* slot = slots.find(delivery.position);
    const bool open = slot != nullptr && slot->state == SlotState::unacked && slot->delivery_count == delivery.count;
    return open ? slot : nullptr;
  }
  // For whoever settles it; null when it has timed out.
  Slot* settling(const DeliveryId& delivery) {
    Slot* slot = find_open(delivery);
    if (slot == nullptr) {
      WHERRY_ASSERT(timed_out > 0);
      --timed_out;
    }
    return slot;
  }
  // The message leaves; consumer: ConsumerRecord::joined of who is to settle it, 0 after get().
  void hand_out(Position at, Slot& slot, std::uint64_t consumer, bool times_out) {
    slot.state = SlotState::unacked;
    count_unacked(slot, +1);
    if (consumer_timeout_ms == 0 || !times_out) return;
    if (!times) times = std::make_unique<DeliveryTimes>();
    times->add({{at, slot.delivery_count}, environment.now(), consumer}, unacked,
               [this](const DeliveryId& delivery) { return find_open(delivery) != nullptr; });
  }
  const DeliveryTimes::Made* oldest_delivery() {
    if (consumer_timeout_ms == 0 || !times) return nullptr;
    return times->oldest([this](const DeliveryId& delivery) { return find_open(delivery) != nullptr; });
  }
  void time_out(std::uint64_t now);

  // --- rules ---
  // Both let go a portion at most; overdue and excess say whether there is more.
  void expire(std::uint64_t now) {
    overdue = false;
    std::size_t left = portion;
    for (std::size_t level = 0; may_expire() && level < ready.levels(); ++level) {
      while (const Slot* slot = head_of(level, Head::oldest)) {
        if (slot->expires_ms == 0 || slot->expires_ms > now) break;
        overdue = left == 0;
        if (overdue) return;
        --left;
        let_head_go(level, Head::oldest, DeadLetterReason::expired);
      }
    }
  }
  void drop_excess() {
    excess = false;
    if (limits.overflow != Overflow::drop_head || !limits.has_length()) return;
    for (std::size_t left = portion; !ready.empty() && limits.exceeded_by(ready.size(), stats.ready_bytes); --left) {
      excess = left == 0;
      if (excess) return;
      let_head_go(ready.lowest_level(), Head::oldest, DeadLetterReason::maxlen);
    }
  }

  // Lent, not shared: most consumers write it out and keep nothing.
  bool offer(ConsumerRecord& record, Delivery& delivery) {
    busy = true;
    const bool taken = record.consumer->deliver(delivery);
    busy = false;
    if (taken) {
      if (limits.rate) bucket.take();
      ++(record.options.no_ack ? stats.delivered_no_ack : stats.delivered);
    } else {
      record.parked = true;
      turns.update(record);
    }
    return taken;
  }
  // A message that has just come, and that nobody waits before, goes to whom has room without having been ready. False:
  // nobody has, and it is still the caller's.
  bool hand_over(Position at, MessageRef& message) {
    while (ConsumerRecord* record = turns.next()) {
      if (!may_give()) return false;
      Delivery delivery{std::move(message), at, false, 0};
      const bool taken = offer(*record, delivery);
      message = std::move(delivery.message);
      if (!taken) continue;
      if (record->options.no_ack) {
        slots.skip_to(at + 1);
        message.reset();
      } else {
        Slot& slot = slots.append(at);
        slot.message = std::move(message);
        slot.expires_ms = expires(*slot.message, 0);
        hand_out(at, slot, record->joined, record->options.times_out);
        ++record->unsettled;
      }
      turns.took(*record);
      return true;
    }
    return false;
  }
  bool may_give() { return !stopped && rate_allows(); }
  bool rate_allows() { return !limits.rate || bucket.has(*limits.rate, environment.now()); }

  // Gives ready messages to whom has room. fresh: the one that has come this moment.
  void pump(Position fresh = no_position) {
    while (!ready.empty() && !overdue) {
      ConsumerRecord* record = turns.next();
      if (!record || !may_give()) return;
      Slot* first = head(fresh);
      if (first == nullptr) return;
      Slot& slot = *first;
      Position at = ready.front();
      Delivery delivery{std::move(slot.message), at, slot.redelivered, slot.delivery_count, slot.lost_count};
      const bool taken = offer(*record, delivery);
      slot.message = std::move(delivery.message);
      if (!taken) continue;
      ready.pop();
      count_ready(slot, -1);
      if (slot.redelivered) ++stats.redelivered;
      if (record->options.no_ack) {
        settle(at, slot);
      } else {
        hand_out(at, slot, record->joined, record->options.times_out);
        ++record->unsettled;
      }
      turns.took(*record);
    }
  }
  // After whatever could give somebody work.
  void settle_down() {
    if (pauses > 0) return;
    overdue = false;
    if (may_expire()) expire(environment.now());
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
    for (std::size_t level = 0; may_expire() && level < ready.levels(); ++level) {
      const Slot* slot = head_of(level, Head::oldest);
      if (slot != nullptr && slot->expires_ms) earliest = std::min(earliest, slot->expires_ms);
    }
    if (std::uint64_t unused = 0; unused_until(unused)) earliest = std::min(earliest, unused);
    if (const auto* oldest = oldest_delivery()) earliest = std::min(earliest, oldest->at_ms + consumer_timeout_ms);
    if (limits.rate) {
      const bool held_back = !stopped && !ready.empty() && turns.next() != nullptr && !rate_allows();
      bucket.set_wanted(*limits.rate, environment.now(), held_back);
      if (held_back) earliest = std::min(earliest, bucket.next_ms(*limits.rate));
    }
    if (excess || overdue) earliest = std::min(earliest, environment.now());
    if (earliest >= wake_ms) return;
    wake_ms = earliest;
    environment.wake_at(earliest);
  }

  QueueEntryRef entry;
  MessageStore& store;
  QueueEnvironment& environment;
  static constexpr std::size_t portion = 4096;
  QueueLimits limits;
  Durability durability;
  std::uint64_t consumer_timeout_ms;  // 0: none.
  Slots slots;
  ReadyOrder ready;
  std::unique_ptr<LoadedPages> loaded_pages;  // Of a fair queue.
  ConsumerTurns turns;
  TokenBucket bucket;
  std::unique_ptr<DeliveryTimes> times;  // Once there was a delivery that may time out.
  std::size_t timed_out = 0;             // Deliveries that have, and that nobody has settled yet.
  std::unique_ptr<Deduplication> known;  // Null where no duplicates are looked for.
  QueueStats stats;
  std::uint32_t unacked = 0;
  std::uint32_t own_expiring = 0;  // Ready messages with an expiration of their own.
  std::uint64_t last_used_ms = 0;
  std::uint64_t wake_ms = UINT64_MAX;  // When we asked to be woken.
  bool ever_consumed = false;
  bool kept_anything = false;  // The store has something of it, though it may not be durable.
  bool overdue = false;        // The head has expired, and more behind it than were to leave at once.
  bool excess = false;         // The same of the length.
  bool stopped = false;        // By an operator: consumers get nothing.
  bool busy = false;           // Inside a consumer's deliver().
  unsigned pauses = 0;
};

}  // namespace wherry::broker

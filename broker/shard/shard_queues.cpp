// What sessions ask of queues: done here when the queue is near, sent to its home when it is far.
#include <fmt/format.h>

#include "broker/routing/arguments.h"
#include "broker/shard/home.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

using amqp::ReplyCode;

namespace {
void settle_of_one(Queue& queue, Consumer* consumer, Settlement how, std::span<const DeliveryId> deliveries) {
  switch (how) {
    case Settlement::ack:
      return queue.ack(consumer, deliveries);
    case Settlement::requeue:
      return queue.requeue(consumer, deliveries);
    case Settlement::discard:
      return queue.discard(consumer, deliveries);
  }
}
}  // namespace

template <class Ask, class Reply>
void Shard::ask_home(const QueueEntryRef& entry, Ask ask, Reply reply) {
  if (near(entry)) return reply(ask(*this));
  send(entry->home, mail::Call{[ask = std::move(ask), reply = std::move(reply), from = index_](Shard& there) mutable {
         auto answer = ask(there);
         there.send(from, mail::Call{[answer = std::move(answer), reply = std::move(reply)](Shard&) mutable {
                      reply(std::move(answer));
                    }});
       }});
}

// --- at the queue's home ---------------------------------------------------------------------------------------------

Shard::Home* Shard::find_home(QueueId id) {
  auto found = homes_.find(id);
  return found == homes_.end() ? nullptr : found->second.get();
}

Shard::Home* Shard::find_home(const QueueEntry& entry) const {
  return static_cast<Home*>(entry.at_home);
}

Consumer* Shard::find_consumer_here(ConsumerKey key) {
  if (key == 0) return nullptr;
  if (auto found = stand_ins_.find(key); found != stand_ins_.end()) return found->second.get();
  if (auto found = locals_.find(key); found != locals_.end()) return found->second.consumer;
  return nullptr;
}

void Shard::settle_here(Home* home, Settlement how, std::span<const SettledDelivery> deliveries) {
  if (home == nullptr) return;
  if (deliveries.size() == 1) {
    return settle_of_one(home->queue, find_consumer_here(deliveries[0].consumer), how, {&deliveries[0].delivery, 1});
  }
  const Queue::Pause until_all_are(home->queue);
  std::vector<DeliveryId> of_one;
  for (auto first = deliveries.begin(); first != deliveries.end();) {
    const ConsumerKey consumer = first->consumer;
    of_one.clear();
    for (; first != deliveries.end() && first->consumer == consumer; ++first) of_one.push_back(first->delivery);
    settle_of_one(home->queue, find_consumer_here(consumer), how, of_one);
  }
}

Queue* Shard::find_queue(QueueId id) {
  Home* home = find_home(id);
  return home == nullptr ? nullptr : &home->queue;
}

void Shard::leave_here(QueueId id, std::span<const ConsumerKey> consumers, std::span<const DeliveryId> unsettled,
                       bool lost) {
  Queue* queue = find_queue(id);
  {
    std::optional<Queue::Pause> pause;
    if (queue != nullptr) pause.emplace(*queue);
    for (ConsumerKey key : consumers) {
      if (auto node = stand_ins_.extract(key)) {
        node.mapped()->leave();
      } else if (auto found = locals_.find(key); found != locals_.end() && queue != nullptr) {
        queue->remove_consumer(*found->second.consumer);
      }
    }
    if (queue != nullptr) queue->requeue(nullptr, unsettled, lost);
  }
  if (!consumers.empty()) after_consumer_left(id);
}

AmqpResult<std::uint32_t> Shard::delete_here(const SharedVhostRef& vhost, QueueId queue, DeleteIf condition) {
  Home* home = find_home(queue);
  if (home == nullptr) return 0;
  const std::string& name = home->entry->spec.name;
  if (condition.unused && home->queue.consumer_count() > 0) {
    return refuse(ReplyCode::precondition_failed, fmt::format("queue '{}' in vhost '{}' in use", name, vhost->name()));
  }
  if (condition.empty && home->queue.ready_count() + home->queue.held_count() > 0) {
    return refuse(ReplyCode::precondition_failed,
                  fmt::format("queue '{}' in vhost '{}' not empty", name, vhost->name()));
  }
  vhost->write([&](Vhost& topology) { topology.remove_queue(home->entry); });
  const auto count = static_cast<std::uint32_t>(home->queue.ready_count() + home->queue.held_count());
  ++counts_.queues_deleted;
  auto node = homes_.extract(queue);
  node.mapped()->entry->at_home = nullptr;
  node.mapped()->queue.delete_all();
  return count;
}

void Shard::after_consumer_left(QueueId queue) {
  Home* home = find_home(queue);
  if (home == nullptr || !home->entry->spec.auto_delete) return;
  // That the broker stops is not that they leave.
  if (shared_.stopping()) return;
  if (home->queue.consumer_count() == 0 && home->queue.ever_consumed()) delete_here(home->vhost, queue, {});
}

AmqpResult<void> Shard::add_consumer_here(const QueueEntry& entry, const SharedVhost& vhost, Consumer& consumer,
                                          const ConsumerOptions& options) {
  Home* home = find_home(entry.id);
  if (home == nullptr) {
    return refuse(ReplyCode::not_found, fmt::format("no queue '{}' in vhost '{}'", entry.spec.name, vhost.name()));
  }
  return home->queue.add_consumer(consumer, options);
}

void Shard::remove_consumer_here(QueueId queue, Consumer& consumer) {
  Home* home = find_home(queue);
  if (home == nullptr) return;
  home->queue.remove_consumer(consumer);
  after_consumer_left(queue);
}

void Shard::drop_stand_in(ConsumerKey key) {
  stand_ins_.erase(key);
}

// --- Host ------------------------------------------------------------------------------------------------------------

void Shard::create_queue(const SharedVhostRef& vhost, const QueueEntryRef& entry) {
  auto& home = homes_[entry->id] = std::make_unique<Home>(*this, vhost, entry);
  entry->at_home = home.get();
  const EffectiveRef effective = vhost->read([&](const Vhost& topology) { return topology.effective(*entry); });
  if (effective) home->queue.set_limits(QueueLimits(effective->arguments));
  home->queue.recover();
}

void Shard::settings_changed(const SharedVhostRef& vhost, const QueueEntry& entry) {
  Queue* queue = find_queue(entry.id);
  if (queue == nullptr) return;
  // As they are now, whatever told of them: the last change wins.
  const EffectiveRef effective = vhost->read([&](const Vhost& topology) { return topology.effective(entry); });
  queue->set_limits(QueueLimits(effective ? effective->arguments : entry.spec.arguments));
}

void Shard::declared_again(const QueueEntryRef& entry, std::function<void(Counts)> reply) {
  ask_home(
      entry,
      [id = entry->id](Shard& there) -> Counts {
        Queue* queue = there.find_queue(id);
        if (queue == nullptr) return {};
        queue->touch();
        return {queue->ready_count(), queue->consumer_count()};
      },
      std::move(reply));
}

void Shard::delete_queue(const SharedVhostRef& vhost, const QueueEntryRef& entry, DeleteIf condition,
                         std::function<void(AmqpResult<std::uint32_t>)> reply) {
  ask_home(
      entry, [vhost, id = entry->id, condition](Shard& there) { return there.delete_here(vhost, id, condition); },
      std::move(reply));
}

void Shard::purge(const QueueEntryRef& entry, std::function<void(std::uint32_t)> reply) {
  ask_home(
      entry,
      [id = entry->id](Shard& there) {
        Home* home = there.find_home(id);
        return home ? home->queue.purge() : 0;
      },
      std::move(reply));
}

void Shard::restore_stopped(const QueueEntryRef& entry) {
  if (Home* home = find_home(entry->id)) home->queue.set_stopped(true);
}

std::optional<std::uint64_t> Shard::set_stopped(const QueueEntryRef& entry, bool stopped) {
  Home* home = find_home(entry->id);
  if (home == nullptr) return std::nullopt;
  const bool changes = home->queue.stopped() != stopped;
  home->queue.set_stopped(stopped);
  // What is kept is what the queue is: a row is added or removed once, here, in the order of the changes.
  Definitions* definitions = shared_.config().definitions;
  if (!changes || definitions == nullptr || !entry->spec.durable) return 0;
  return definitions->record(paused_change(*entry, stopped));
}

std::optional<Queue::Accepted> Shard::publish(const QueueEntryRef& entry, MessageRef message,
                                              const PublishTicket& ticket) {
  if (near(entry)) {
    Home* home = find_home(*entry);
    return home ? home->queue.publish(std::move(message)) : Queue::Accepted{};
  }
  send(entry->home, mail::Publish{entry->id, std::move(message), index_, ticket});
  // Without a confirm nobody waits for the answer.
  if (ticket.tag == 0) return Queue::Accepted{};
  return std::nullopt;
}

void Shard::reply(const ReplyAddress& to, const SharedVhostRef& vhost, const MessageRef& message) {
  if (to.shard >= shared_.shards().size()) return;
  mail::Reply letter{to, vhost, message};
  if (to.shard == index_) return read(letter);
  send(to.shard, std::move(letter));
}

void Shard::consume(const SharedVhostRef& vhost, const QueueEntryRef& entry, ChannelConsumer& consumer,
                    const ConsumerOptions& options, std::function<void(AmqpResult<void>)> reply) {
  const ConsumerKey key = consumer.key();
  locals_[key] = Local{&consumer, entry->home, 0, false, {}};
  if (near(entry)) return reply(add_consumer_here(*entry, *vhost, consumer, options));
  ask_home(
      entry,
      [vhost, entry, key, options, from = index_](Shard& there) -> AmqpResult<void> {
        Home* home = there.find_home(entry->id);
        if (home == nullptr) {
          return refuse(ReplyCode::not_found,
                        fmt::format("no queue '{}' in vhost '{}'", entry->spec.name, vhost->name()));
        }
        auto& stand_in = there.stand_ins_[key] =
            std::make_unique<FarConsumer>(there, from, key, entry->id, options.no_ack);
        ConsumerOptions at_home = options;
        at_home.no_ack = false;
        // What the channel took it has settled: that is only told late.
        at_home.times_out = !options.no_ack;
        if (options.no_ack) at_home.prefetch = 0;
        auto added = there.add_consumer_here(*entry, *vhost, *stand_in, at_home);
        if (!added) there.drop_stand_in(key);
        return added;
      },
      std::move(reply));
}

void Shard::cancel(const QueueEntryRef& entry, ChannelConsumer& consumer, std::function<void()> reply) {
  if (near(entry)) {
    remove_consumer_here(entry->id, consumer);
    return reply();
  }
  ask_home(
      entry,
      [id = entry->id, key = consumer.key()](Shard& there) {
        auto found = there.stand_ins_.find(key);
        if (found == there.stand_ins_.end()) return false;
        found->second->cancel();
        there.after_consumer_left(id);
        return true;
      },
      [reply = std::move(reply)](bool) { reply(); });
}

void Shard::leave(const QueueEntryRef& entry, std::vector<ConsumerKey> consumers, std::vector<DeliveryId> unsettled,
                  bool lost) {
  // A client that does not hear the broker's farewell has done nothing wrong.
  lost = lost && !shared_.stopping();
  if (near(entry)) return leave_here(entry->id, consumers, unsettled, lost);
  for (ConsumerKey key : consumers) {
    if (auto found = locals_.find(key); found != locals_.end()) tell_taken(key, found->second);
  }
  send(entry->home, mail::Call{[id = entry->id, consumers = std::move(consumers), unsettled = std::move(unsettled),
                                lost](Shard& there) { there.leave_here(id, consumers, unsettled, lost); }});
}

void Shard::forget_consumer(ConsumerKey key) {
  auto found = locals_.find(key);
  if (found == locals_.end()) return;
  tell_taken(key, found->second);
  locals_.erase(found);
}

void Shard::resume(const QueueEntryRef& entry, ChannelConsumer& consumer) {
  if (near(entry)) {
    if (Home* home = find_home(*entry)) home->queue.resume(consumer);
    return;
  }
  auto found = locals_.find(consumer.key());
  if (found == locals_.end()) return;
  found->second.refusing = false;
  send(entry->home, mail::Resume{consumer.key(), ++found->second.epoch});
}

void Shard::set_prefetch(const QueueEntryRef& entry, ChannelConsumer& consumer, std::uint32_t prefetch) {
  if (near(entry)) {
    if (Home* home = find_home(entry->id)) home->queue.set_prefetch(consumer, prefetch);
    return;
  }
  send(entry->home, mail::Call{[key = consumer.key(), prefetch](Shard& there) {
         auto found = there.stand_ins_.find(key);
         if (found != there.stand_ins_.end()) found->second->set_prefetch(prefetch);
       }});
}

void Shard::get(const QueueEntryRef& entry, bool no_ack, std::function<bool(std::optional<Got>)> reply) {
  ask_home(
      entry,
      [id = entry->id, no_ack](Shard& there) -> std::optional<Got> {
        Home* home = there.find_home(id);
        Got got;
        if (home == nullptr || !home->queue.get(no_ack, got.delivery, got.remaining)) return std::nullopt;
        return got;
      },
      [this, entry, no_ack, reply = std::move(reply)](std::optional<Got> got) {
        const DeliveryId delivery = got ? got->delivery.id() : DeliveryId{};
        if (!reply(std::move(got)) && delivery.position != no_position && !no_ack) {
          const SettledDelivery nobody{0, delivery};
          settle(entry, Settlement::requeue, {&nobody, 1});
        }
      });
}

void Shard::settle(const QueueEntryRef& entry, Settlement how, std::span<const SettledDelivery> deliveries) {
  if (near(entry)) return settle_here(find_home(*entry), how, deliveries);
  ConsumerKey told = 0;
  for (const SettledDelivery& each : deliveries) {
    if (each.consumer == std::exchange(told, each.consumer)) continue;
    if (auto found = locals_.find(each.consumer); found != locals_.end()) tell_taken(each.consumer, found->second);
  }
  send(entry->home, mail::Settle{entry->id, how, {deliveries.begin(), deliveries.end()}});
}

}  // namespace wherry::broker

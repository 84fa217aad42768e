// What queues hold until its time, for people who look at it and take it back.
#include <fmt/format.h>

#include "broker/shard/shard.h"

namespace wherry::broker {

Result<QueueEntryRef> Broker::find_queue(std::string_view vhost, std::string_view queue) const {
  const SharedVhostRef found = shared_.find_vhost(vhost);
  if (!found) return fail(fmt::format("no vhost '{}'", vhost));
  auto entry = found->read([&](const Vhost& topology) { return topology.find_queue(queue, 0); });
  if (!entry) return fail(entry.error().explanation);
  return *entry;
}

void Broker::list_scheduled(std::string_view vhost, std::string_view queue, ScheduleKey after, std::size_t limit,
                            std::function<void(Result<HeldPage>)> reply) {
  auto entry = find_queue(vhost, queue);
  if (!entry) return reply(tl::unexpected(entry.error()));
  shared_.shards()[(*entry)->home]->list_held(*entry, after, limit, std::move(reply));
}

void Broker::cancel_scheduled(std::string_view vhost, std::string_view queue, std::string name,
                              std::function<void(Result<std::size_t>)> reply) {
  auto entry = find_queue(vhost, queue);
  if (!entry) return reply(tl::unexpected(entry.error()));
  shared_.shards()[(*entry)->home]->cancel_held(*entry, std::move(name), std::move(reply));
}

void Shard::list_held(QueueEntryRef entry, ScheduleKey after, std::size_t limit, std::function<void(HeldPage)> reply) {
  loop_.post([this, entry = std::move(entry), after, limit, reply = std::move(reply)]() mutable {
    store_->delays().list_held(entry->id, after, limit, std::move(reply));
  });
}

void Shard::cancel_held(QueueEntryRef entry, std::string name, std::function<void(std::size_t)> reply) {
  loop_.post([this, entry = std::move(entry), name = std::move(name), reply = std::move(reply)]() mutable {
    store_->delays().cancel_held(
        entry->id, std::move(name),
        [this, id = entry->id, reply = std::move(reply)](const std::vector<HeldMessage>& gone, Lsn lsn) {
          set_delay_timer();
          if (Queue* queue = find_queue(id)) queue->taken_back(gone);
          const std::size_t count = gone.size();
          if (lsn <= store_->durable()) return reply(count);
          far_confirms_.push_back({lsn, index_, mail::Call{[reply, count](Shard&) { reply(count); }}});
        });
  });
}

}  // namespace wherry::broker

#include "broker/shard/sweep.h"

#include <algorithm>

#include <fmt/format.h>

#include "broker/shard/home.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

namespace {

constexpr std::size_t looked_at_once = 256;

MessageRef moved(const Message& message, const Sweep::Verdict& verdict, std::uint64_t now_ms) {
  auto made = Message::create({.exchange = "",
                               .routing_key = verdict.to,
                               .properties = verdict.properties,
                               .delivery_mode = message.persistent() ? std::uint8_t{2} : std::uint8_t{1},
                               .priority = message.priority(),
                               .body_size = message.body().size(),
                               .published_ms = now_ms});
  made->append_body(message.body());
  return made;
}

}  // namespace

// One sweep under way; only the queue's shard touches it.
struct Shard::Sweeping {
  QueueEntryRef entry;
  Sweep::Judge judge;
  std::function<void(Result<Sweep::Report>)> reply;
  Sweep::Report report = {};
  Position at = 0;
  bool stopped = false;
  std::vector<Position> leaving = {};  // Of this portion, wherever they go.
  std::size_t far = 0;                 // Of these, still on their way to other shards; and this portion itself.
  Lsn durable_at = 0;                  // Of what near queues took.

  void refuse(Position which, std::string why) {
    if (report.refused.size() < Sweep::most_refused) report.refused.emplace_back(which, std::move(why));
    ++report.refused_count;
  }
};

void Broker::sweep(std::string_view vhost, std::string_view queue, Sweep::Range range, Sweep::Judge judge,
                   std::function<void(Result<Sweep::Report>)> reply) {
  auto entry = find_queue(vhost, queue);
  if (!entry) return reply(tl::unexpected(entry.error()));
  shared_.shards()[(*entry)->home]->sweep(*entry, range, std::move(judge), std::move(reply));
}

void Shard::sweep(QueueEntryRef entry, Sweep::Range range, Sweep::Judge judge,
                  std::function<void(Result<Sweep::Report>)> reply) {
  auto sweeping = std::make_shared<Sweeping>(Sweeping{std::move(entry), std::move(judge), std::move(reply)});
  loop_.post([this, sweeping, range] {
    Home* home = find_home(sweeping->entry->id);
    if (home != nullptr && home->queue.is_fair()) {
      return sweeping->reply(fail("a queue with x-fair-key cannot be looked through"));
    }
    sweeping->report.end = range.end != 0 || home == nullptr ? range.end : home->queue.end();
    sweeping->at = range.from;
    sweep_on(sweeping);
  });
}

void Shard::sweep_on(const std::shared_ptr<Sweeping>& sweeping) {
  Home* home = find_home(sweeping->entry->id);
  if (home == nullptr) return sweeping->reply(fail("the queue was deleted meanwhile"));
  std::vector<std::pair<Position, MessageRef>> portion;
  Position next =
      home->queue.browse(sweeping->at, sweeping->report.end, looked_at_once,
                         [&](Position at, const MessageRef& message) { portion.emplace_back(at, message); });
  sweeping->far = 1;
  for (const auto& [at, message] : portion) {
    Sweep::Verdict verdict = sweeping->judge(at, *message);
    if (verdict.what == Sweep::What::stop) {
      sweeping->stopped = true;
      next = at;
      break;
    }
    ++sweeping->report.looked_at;
    if (verdict.what == Sweep::What::remove) {
      ++sweeping->report.removed;
      sweeping->leaving.push_back(at);
    } else if (verdict.what == Sweep::What::move) {
      move(sweeping, at, moved(*message, verdict, now_ms()), verdict.to);
    }
  }
  sweeping->at = next;
  swept(sweeping);
}

void Shard::move(const std::shared_ptr<Sweeping>& sweeping, Position at, MessageRef message, const std::string& name) {
  const SharedVhostRef vhost = find_vhost(sweeping->entry->vhost);
  auto to = vhost->read([&](const Vhost& topology) { return topology.find_queue(name, 0); });
  if (!to) return sweeping->refuse(at, to.error().explanation);
  if ((*to)->id == sweeping->entry->id) return sweeping->refuse(at, fmt::format("'{}' is where it lies", name));
  const auto taken = [sweeping, at, name](bool accepted) {
    if (!accepted) return sweeping->refuse(at, fmt::format("queue '{}' is full and refuses it", name));
    ++sweeping->report.moved;
    sweeping->leaving.push_back(at);
  };
  if (near(*to)) {
    Home* home = find_home(**to);
    const auto answer = home ? home->queue.publish(std::move(message)) : Queue::Accepted{.accepted = false};
    sweeping->durable_at = std::max(sweeping->durable_at, answer.durable_at);
    return taken(answer.accepted);
  }
  ++sweeping->far;
  send((*to)->home,
       mail::Call{[id = (*to)->id, message = std::move(message), from = index_, sweeping, taken](Shard& there) {
         Home* home = there.find_home(id);
         const auto result = home ? home->queue.publish(message) : Queue::Accepted{.accepted = false};
         mail::Call answer{[sweeping, taken, accepted = result.accepted](Shard& source) {
           taken(accepted);
           source.swept(sweeping);
         }};
         if (result.durable_at <= there.store_->durable()) {
           there.send(from, std::move(answer));
         } else {
           there.far_confirms_.push_back({result.durable_at, from, std::move(answer)});
         }
       }});
}

// Another part of the portion is there; with the last of them what has a new place leaves the old one.
void Shard::swept(const std::shared_ptr<Sweeping>& sweeping) {
  if (--sweeping->far > 0) return;
  Home* home = find_home(sweeping->entry->id);
  if (home == nullptr) return sweeping->reply(fail("the queue was deleted meanwhile"));
  std::sort(sweeping->leaving.begin(), sweeping->leaving.end());
  home->queue.take_out(sweeping->leaving);
  sweeping->leaving.clear();
  Sweep::Report& report = sweeping->report;
  const bool durable = sweeping->durable_at <= store_->durable();
  if (!sweeping->stopped && sweeping->at < report.end) {
    if (durable) return loop_.post([this, sweeping] { sweep_on(sweeping); });
    // Not faster than the disk: what it has yet to write is in memory.
    far_confirms_.push_back(
        {sweeping->durable_at, index_, mail::Call{[sweeping](Shard& here) { here.sweep_on(sweeping); }}});
    return;
  }
  report.next = sweeping->at < report.end ? sweeping->at : 0;
  report.left = home->queue.ready_count();
  if (durable) return sweeping->reply(std::move(report));
  far_confirms_.push_back(
      {sweeping->durable_at, index_, mail::Call{[sweeping](Shard&) { sweeping->reply(std::move(sweeping->report)); }}});
}

}  // namespace wherry::broker

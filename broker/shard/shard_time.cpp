// What happens by itself: dead letters, delayed messages, queues' timers, and the store's progress.
#include <fmt/format.h>

#include "base/log.h"
#include "broker/queueing/dead_letter.h"
#include "broker/routing/arguments.h"
#include "broker/routing/carbon_copies.h"
#include "broker/shard/home.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

namespace {
constexpr std::size_t kMostFirings = 8;  // Turns' delayed messages on their way to other shards.
constexpr std::chrono::milliseconds kFireAgain{5};

// A time that is too far for the clock is its end.
WallTime at(std::uint64_t time_ms) {
  constexpr auto most = std::chrono::floor<std::chrono::milliseconds>(WallTime::max()).time_since_epoch().count();
  return WallTime(std::chrono::milliseconds(std::min<std::uint64_t>(time_ms, most)));
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
  if (!timer) timer = std::make_unique<net::WallTimer>(shard.loop_);
  timer->set(at(time_ms), [this] {
    // Deleting the queue destroys this.
    if (queue.on_time(now())) shard.delete_here(vhost, entry->id, {});
  });
}

void Shard::Home::timed_out(std::string_view consumer_tag, std::size_t deliveries) {
  log::warning(
      "queue", "{}: {} unacknowledged by {} for too long; requeued", resource("queue", entry->spec.name, entry->vhost),
      deliveries == 1 ? "a delivery was" : fmt::format("{} deliveries were", deliveries),
      consumer_tag.empty() ? "basic.get or a consumer that has left" : fmt::format("consumer '{}'", consumer_tag));
}

// A stored dead letter, on its way to queues of other shards. It stays in its own queue until it is in theirs for good:
// their logs are others, and a crash must not find it in none. Only its own shard looks at it.
struct Shard::Leaving {
  QueueId queue = 0;
  Position at = no_position;
  std::size_t waits_for = 0;  // Far queues that have not answered, and the one that asks them.

  void one_less(Shard& shard) {
    if (--waits_for > 0 || at == no_position) return;
    if (Queue* source = shard.find_queue(queue)) source->dead_lettered({&at, 1});
  }
};

void Shard::publish_dead_letter(const QueueEntryRef& to, const MessageRef& message,
                                const std::shared_ptr<Leaving>& leaving) {
  if (near(to) || leaving->at == no_position) {
    publish(to, message, {});
    return;
  }
  ++leaving->waits_for;
  send(to->home, mail::Call{[id = to->id, message, from = index_, leaving](Shard& there) {
         Home* home = there.find_home(id);
         const Lsn durable_at = home ? home->queue.publish(message).durable_at : 0;
         mail::Call answer{[leaving](Shard& source) { leaving->one_less(source); }};
         if (durable_at <= there.store_->durable()) {
           there.send(from, std::move(answer));
         } else {
           there.far_confirms_.push_back({durable_at, from, std::move(answer)});
         }
       }});
}

void Shard::route_dead_letters() {
  for (const DeadLetter& letter : std::exchange(dead_letters_, {})) {
    // The queue itself may have been deleted in this turn.
    const SharedVhostRef vhost = find_vhost(letter.source->vhost);
    ++counts_.dead_lettered[static_cast<std::size_t>(letter.reason)];
    const auto leaving = std::make_shared<Leaving>(Leaving{letter.source->id, letter.position, 1});
    if (vhost) {
      const Reborn born = reborn(letter, now_ms());
      for (const QueueEntryRef& to : route_within(*vhost, *born.message, born.routing_keys)) {
        if (must_not_reach(to->spec.name, born.message->properties())) continue;
        publish_dead_letter(to, born.message, leaving);
      }
    }
    leaving->one_less(*this);
  }
}

void Shard::await_dead_letters(std::vector<unsigned> homes, std::function<void()> reply) {
  std::erase_if(homes, [this](unsigned home) {
    if (home == index_) route_dead_letters();
    return home == index_;
  });
  if (homes.empty()) return reply();
  const auto left = std::make_shared<std::size_t>(homes.size());
  const auto done = std::make_shared<std::function<void()>>(std::move(reply));
  for (const unsigned home : homes) {
    send(home, mail::Call{[from = index_, left, done](Shard& there) {
           there.in_next_turn([&there, from, left, done] {
             there.send(from, mail::Call{[left, done](Shard&) {
                          if (--*left == 0) (*done)();
                        }});
           });
         }});
  }
}

// --- delayed messages ------------------------------------------------------------------------------------------------

void Shard::recovered_all() {
  store_->recovered_all();
  // What came due while the broker was down fires as the loop begins to run.
  loop_.post([this] { set_delay_timer(); });
}

Lsn Shard::publish_later(const SharedVhostRef& vhost, const MessageRef& message, std::uint64_t due_ms) {
  const Lsn lsn = store_->delays().add(vhost->name(), message, due_ms, shared_.config().durability);
  set_delay_timer();
  return lsn;
}

void Shard::exchange_deleted(const SharedVhostRef& vhost, std::string_view exchange) {
  // Each publisher's shard holds what was published on it.
  for (unsigned to = 0; to < shared_.shards().size(); ++to) {
    auto drop = [name = vhost->name(), exchange = std::string(exchange)](Shard& there) {
      there.drop_delayed(name, {&exchange, 1});
    };
    if (to == index_) {
      drop(*this);
    } else {
      send(to, mail::Call{std::move(drop)});
    }
  }
}

void Shard::drop_delayed(const std::string& vhost, std::span<const std::string> exchanges) {
  for (const std::string& exchange : exchanges) store_->delays().drop(vhost, exchange);
  set_delay_timer();
}

void Shard::set_delay_timer() {
  const std::uint64_t next = store_->delays().next_wake().value_or(0);
  if (next == delay_timer_at_) return;
  delay_timer_at_ = next;
  if (next == 0) return delay_timer_.cancel();
  delay_timer_.set(at(next), [this] { fire_delayed(); });
}

void Shard::fire_delayed() {
  delay_timer_at_ = 0;
  // A disk is behind, or publishers are held for another reason: what is due waits where it lies.
  if (firing_.size() >= kMostFirings || !gate_.open()) {
    delay_timer_at_ = now_ms();
    return fire_again_timer_.set(kFireAgain, [this] { fire_delayed(); });
  }
  std::vector<DelayStore::Due> due;
  store_->delays().take_due(now_ms(), due);
  if (!due.empty()) {
    Firing firing{due.back().key, 0};
    const PublishTicket ticket{0, 0, 0, first_firing_ + firing_.size()};
    SharedVhostRef vhost;
    for (const DelayStore::Due& one : due) {
      if (one.queue != 0) {
        if (Queue* queue = find_queue(one.queue)) queue->release(one.message, one.key);
        continue;
      }
      if (!vhost || vhost->name() != one.vhost) vhost = find_vhost(one.vhost);
      if (!vhost) continue;
      std::vector<std::string> keys = carbon_copies_of(one.message->properties());
      keys.emplace_back(one.message->routing_key());
      for (const QueueEntryRef& to : route_within(*vhost, *one.message, keys)) {
        if (!publish(to, one.message, ticket)) ++firing.far;
      }
    }
    firing_.push_back(firing);
    settle_fired();
  }
  set_delay_timer();
}

// In order. The record that they fired stands behind theirs in our log; a queue of another shard has told that its own
// is durable.
void Shard::settle_fired() {
  while (!firing_.empty() && firing_.front().far == 0) {
    store_->delays().fired(firing_.front().last);
    firing_.pop_front();
    ++first_firing_;
  }
}

void Shard::far_fired(std::uint64_t firing) {
  --firing_.at(firing - first_firing_).far;
  settle_fired();
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

#include "broker/shard/survey.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "broker/shard/home.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

// --- on a shard ------------------------------------------------------------------------------------------------------

void Shard::look_at(QueueState& row) {
  const Home* home = find_home(row.entry->id);
  row.there = home != nullptr;
  if (home == nullptr) return;
  const Queue& queue = home->queue;
  row.stopped = queue.stopped();
  row.ready = queue.ready_count();
  row.unacked = queue.unacked_count();
  row.consumers = queue.consumer_count();
  row.held = queue.held_count();
  row.head_published_ms = queue.head_published_ms();
  row.stats = queue.stats();
  if (!queue.single_active_consumer()) return;
  queue.each_consumer([&](const Queue::ConsumerInfo& consumer) {
    if (consumer.active) row.single_active = consumer.options.tag;
  });
}

std::vector<ConnectionState> Shard::connection_states() const {
  std::vector<ConnectionState> rows;
  for (const auto& [id, endpoint] : endpoints_) {
    // Before it has opened a virtual host it is nobody's yet.
    if (!endpoint->over() && endpoint->session().vhost()) rows.push_back(endpoint->state());
  }
  return rows;
}

ShardState Shard::state() {
  ShardState row;
  row.counts = counts_;
  row.channels = counts_.closed;
  for (const auto& [id, endpoint] : endpoints_) endpoint->session().add_counts(row.channels);
  row.connections = counts_.connections_opened - counts_.connections_closed;
  row.open_channels = counts_.channels_opened - counts_.channels_closed;
  for (auto at = exchange_counts_.begin(); at != exchange_counts_.end();) {
    const auto& [vhost, exchange] = at->first;
    const SharedVhostRef found = shared_.find_vhost(vhost);
    const bool there =
        found && found->read([&name = exchange](const Vhost& topology) { return topology.has_exchange(name); });
    if (there) row.exchanges[at->first] = *at->second;
    at = there ? std::next(at) : exchange_counts_.erase(at);
  }
  return row;
}

std::shared_ptr<ExchangeCounts> Shard::exchange_counts(const SharedVhostRef& vhost, std::string_view exchange) {
  auto& counts = exchange_counts_[{vhost->name(), std::string(exchange)}];
  if (!counts) counts = std::make_shared<ExchangeCounts>();
  return counts;
}

ShardState& ShardState::operator+=(const ShardState& other) {
  counts.closed += other.counts.closed;
  for (std::size_t i = 0; i < counts.sizes.counts.size(); ++i) counts.sizes.counts[i] += other.counts.sizes.counts[i];
  counts.sizes.sum += other.counts.sizes.sum;
  counts.connections_opened += other.counts.connections_opened;
  counts.connections_closed += other.counts.connections_closed;
  counts.channels_opened += other.counts.channels_opened;
  counts.channels_closed += other.counts.channels_closed;
  counts.queues_declared += other.counts.queues_declared;
  counts.queues_created += other.counts.queues_created;
  counts.queues_deleted += other.counts.queues_deleted;
  for (std::size_t i = 0; i < counts.dead_lettered.size(); ++i)
    counts.dead_lettered[i] += other.counts.dead_lettered[i];
  channels += other.channels;
  connections += other.connections;
  open_channels += other.open_channels;
  for (const auto& [id, each] : other.exchanges) {
    exchanges[id].in += each.in;
    exchanges[id].out += each.out;
  }
  return *this;
}

// --- on the thread that asks -----------------------------------------------------------------------------------------

namespace {

// Answers that are still to come, which may outlive the one who asked.
template <class T>
struct Awaited {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t open = 0;
  T answer;
};

tl::unexpected<Error> not_in_time() {
  return fail("the broker is too busy to answer in time: ask again");
}

template <class T>
Result<T> wait_for(const std::shared_ptr<Awaited<T>>& awaited, std::chrono::milliseconds patience) {
  std::unique_lock lock(awaited->mutex);
  if (!awaited->changed.wait_for(lock, patience, [&] { return awaited->open == 0; })) return not_in_time();
  return std::move(awaited->answer);
}

// add(answer, what the shard said) one after the other.
template <class T, class Ask, class Add>
Result<T> ask_each(const Shared& shared, std::chrono::milliseconds patience, Ask ask, Add add) {
  const auto awaited = std::make_shared<Awaited<T>>();
  awaited->open = shared.shards().size();
  for (const auto& shard : shared.shards()) {
    shard->loop().post([awaited, ask, add, &shard = *shard] {
      auto said = ask(shard);
      std::lock_guard lock(awaited->mutex);
      add(awaited->answer, std::move(said));
      --awaited->open;
      awaited->changed.notify_all();
    });
  }
  return wait_for(awaited, patience);
}

// Queues that a shard is asked of in one turn: some tenths of a millisecond in which nothing else is done.
constexpr std::size_t asked_at_once = 250;

// Each row is one shard's: nobody else looks at it before the last has answered.
struct Looking {
  Shard& shard;
  std::shared_ptr<Awaited<std::vector<QueueState>>> awaited;
  std::vector<std::size_t> indexes;
  std::size_t at = 0;
};

void look_on(const std::shared_ptr<Looking>& looking) {
  const std::size_t end = std::min(looking->at + asked_at_once, looking->indexes.size());
  for (; looking->at < end; ++looking->at) {
    looking->shard.look_at(looking->awaited->answer[looking->indexes[looking->at]]);
  }
  if (looking->at < looking->indexes.size()) {
    // In the next turn: what is posted now would be done in this one, with what others wrote waiting behind it.
    looking->shard.in_next_turn([looking] { look_on(looking); });
    return;
  }
  std::lock_guard lock(looking->awaited->mutex);
  --looking->awaited->open;
  looking->awaited->changed.notify_all();
}

}  // namespace

Result<std::vector<ConnectionState>> Survey::connections() const {
  using Rows = std::vector<ConnectionState>;
  return ask_each<Rows>(
      shared_, patience_, [](const Shard& shard) { return shard.connection_states(); },
      [](Rows& all, Rows some) { std::move(some.begin(), some.end(), std::back_inserter(all)); });
}

Result<ShardState> Survey::totals() const {
  return ask_each<ShardState>(
      shared_, patience_, [](Shard& shard) { return shard.state(); },
      [](ShardState& all, const ShardState& one) { all += one; });
}

Result<std::vector<QueueState>> Survey::queues(const std::vector<QueueEntryRef>& entries) const {
  std::vector<QueueState> rows(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) rows[i].entry = entries[i];
  const auto awaited = std::make_shared<Awaited<std::vector<QueueState>>>();
  awaited->answer = std::move(rows);
  std::vector<std::vector<std::size_t>> by_home(shared_.shards().size());
  for (std::size_t index = 0; index < entries.size(); ++index) by_home[entries[index]->home].push_back(index);
  for (const std::vector<std::size_t>& indexes : by_home) awaited->open += indexes.empty() ? 0 : 1;
  for (unsigned home = 0; home < by_home.size(); ++home) {
    if (by_home[home].empty()) continue;
    Shard& shard = *shared_.shards()[home];
    const auto looking = std::make_shared<Looking>(Looking{shard, awaited, std::move(by_home[home])});
    shard.loop().post([looking] { look_on(looking); });
  }
  auto answer = wait_for(awaited, patience_);
  if (answer) std::erase_if(*answer, [](const QueueState& row) { return !row.there; });
  return answer;
}

Result<std::vector<QueueState>> Survey::queues_of(std::string_view name) const {
  std::vector<QueueEntryRef> entries;
  std::vector<EffectiveRef> effective;
  for (const SharedVhostRef& vhost : shared_.vhosts()) {
    if (!name.empty() && vhost->name() != name) continue;
    vhost->read([&](const Vhost& topology) {
      for (QueueEntryRef& entry : topology.queues()) {
        effective.push_back(topology.effective(*entry));
        entries.push_back(std::move(entry));
      }
    });
  }
  std::map<std::uint64_t, EffectiveRef> by_id;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (effective[i]) by_id.emplace(entries[i]->id, effective[i]);
  }
  auto rows = queues(entries);
  if (!rows || by_id.empty()) return rows;
  for (QueueState& row : *rows) {
    if (auto found = by_id.find(row.entry->id); found != by_id.end()) row.effective = found->second;
  }
  return rows;
}

}  // namespace wherry::broker

#include "broker/admin/sampler.h"

#include "broker/shard/broker.h"

namespace wherry::broker::admin {

namespace {
constexpr std::chrono::seconds interval{5};

std::uint64_t now_ms() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}
}  // namespace

QueueFlow flow_of(const QueueStats& stats) {
  return {stats.published,  stats.delivered, stats.delivered_no_ack, stats.got,
          stats.got_no_ack, stats.get_empty, stats.redelivered,      stats.acked};
}

void Sampler::start() {
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      look();
      lock.lock();
      stop_.wait_for(lock, interval, [this] { return stopping_; });
    }
  });
}

void Sampler::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    stop_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Sampler::look() {
  const Survey survey(shared_);
  Seen seen;
  auto queues = survey.queues_of("");
  auto connections = survey.connections();
  auto totals = survey.totals();
  if (!queues || !connections || !totals) return;
  seen.at = Clock::now();
  for (const QueueState& row : *queues) seen.queues.emplace(row.entry->id, flow_of(row.stats));
  for (const ConnectionState& row : *connections) {
    seen.connections.emplace(row.info.id, Bytes{row.received, row.sent});
    for (const ChannelInfo& channel : row.info.channels) {
      seen.channels.emplace(ChannelId{row.info.id, channel.incarnation}, channel.counts);
    }
  }
  for (const auto& [id, counts] : totals->exchanges) seen.exchanges.emplace(id, counts);
  seen.all = totals->channels;

  std::lock_guard lock(mutex_);
  std::unordered_map<std::uint64_t, std::uint64_t> idle;
  for (const auto& [id, flow] : seen.queues) {
    const auto was = last_.queues.find(id);
    if (was == last_.queues.end() || was->second != flow) continue;
    const auto since = idle_since_.find(id);
    idle.emplace(id, since == idle_since_.end() ? now_ms() : since->second);
  }
  idle_since_ = std::move(idle);
  before_ = std::exchange(last_, std::move(seen));
}

// The older of the two: the other one may be of this moment.
template <class Map, class Key>
Before<typename Map::mapped_type> Sampler::find(Map Seen::*map, const Key& key) const {
  std::lock_guard lock(mutex_);
  for (const Seen* seen : {&before_, &last_}) {
    const auto found = (seen->*map).find(key);
    if (found == (seen->*map).end()) continue;
    return {found->second, std::chrono::duration<double>(Clock::now() - seen->at).count()};
  }
  return {};
}

Before<QueueFlow> Sampler::queue(std::uint64_t id) const {
  return find(&Seen::queues, id);
}
Before<ChannelCounts> Sampler::channel(const ChannelId& id) const {
  return find(&Seen::channels, id);
}
Before<ExchangeCounts> Sampler::exchange(const ExchangeId& id) const {
  return find(&Seen::exchanges, id);
}
Before<Sampler::Bytes> Sampler::connection(ConnectionId id) const {
  return find(&Seen::connections, id);
}

Before<ChannelCounts> Sampler::all() const {
  std::lock_guard lock(mutex_);
  const Seen& seen = before_.all ? before_ : last_;
  if (!seen.all) return {};
  return {seen.all, std::chrono::duration<double>(Clock::now() - seen.at).count()};
}

std::optional<std::uint64_t> Sampler::idle_since_ms(std::uint64_t id) const {
  std::lock_guard lock(mutex_);
  const auto found = idle_since_.find(id);
  if (found == idle_since_.end()) return std::nullopt;
  return found->second;
}

}  // namespace wherry::broker::admin

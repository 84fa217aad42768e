#include "broker/shard/broker.h"

#include <cerrno>
#include <condition_variable>
#include <system_error>

#include <fmt/format.h>
#include <sys/socket.h>

#include "base/log.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

Shared::Shared(const BrokerConfig& config) : config_(config), users_(config.users) {
  set_cluster_name(nullptr);
  if (config.connection_max > 0) connections_->set_limit(config.connection_max);
  if (config.queue_max > 0) queues_->set_limit(config.queue_max);
  for (const std::string& name : config.vhosts) add_vhost(std::make_shared<SharedVhost>(name));
  if (config.users) {
    for (const std::string& user : config.users->names()) user_quotas_.emplace(user, std::make_shared<UserQuota>());
  }
  for (unsigned i = 0; i < config.shards; ++i) shards_.push_back(std::make_unique<Shard>(i, *this));
}

void Shared::set_cluster_name(const std::string* name) {
  auto next = std::make_unique<Sessions>(Sessions{config_.session, config_.tls_session});
  const std::string& told = name ? *name : config_.cluster_name;
  if (!told.empty()) {
    next->plain.amqp.properties.set("cluster_name", told);
    next->tls.amqp.properties.set("cluster_name", told);
  }
  std::unique_lock lock(mutex_);
  current_.store(next.get(), std::memory_order_release);
  sessions_.push_back(std::move(next));
}

SharedVhostRef Shared::find_vhost(std::string_view name) const {
  std::shared_lock lock(mutex_);
  auto found = vhosts_.find(name);
  return found == vhosts_.end() ? nullptr : found->second;
}

std::vector<SharedVhostRef> Shared::vhosts() const {
  std::shared_lock lock(mutex_);
  std::vector<SharedVhostRef> all;
  for (const auto& [name, vhost] : vhosts_) all.push_back(vhost);
  return all;
}

void Shared::add_vhost(SharedVhostRef vhost) {
  std::unique_lock lock(mutex_);
  const std::string& name = vhost->name();
  vhost->write([this](Vhost& topology) { topology.count_queues_in(queues_); });
  vhosts_.emplace(name, std::move(vhost));
}

SharedVhostRef Shared::take_vhost(std::string_view name) {
  std::unique_lock lock(mutex_);
  auto found = vhosts_.find(name);
  if (found == vhosts_.end()) return nullptr;
  return std::move(vhosts_.extract(found).mapped());
}

bool Shared::add_user_quota(std::string_view user) {
  std::unique_lock lock(mutex_);
  return user_quotas_.try_emplace(std::string(user), std::make_shared<UserQuota>()).second;
}

void Shared::remove_user_quota(std::string_view user) {
  std::unique_lock lock(mutex_);
  if (auto found = user_quotas_.find(user); found != user_quotas_.end()) user_quotas_.erase(found);
}

bool Shared::on_each_shard(std::function<void(Shard&)> work, std::chrono::milliseconds patience) const {
  struct Open {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t left;
  };
  const auto open = std::make_shared<Open>();
  open->left = shards_.size();
  const auto shared_work = std::make_shared<std::function<void(Shard&)>>(std::move(work));
  for (const auto& shard : shards_) {
    shard->loop().post([open, shared_work, &shard = *shard] {
      (*shared_work)(shard);
      std::lock_guard lock(open->mutex);
      --open->left;
      open->changed.notify_all();
    });
  }
  std::unique_lock lock(open->mutex);
  return open->changed.wait_for(lock, patience, [&] { return open->left == 0; });
}

void Shared::close_where(std::function<bool(const Session&)> which, std::string text) const {
  for (const auto& shard : shards_) {
    shard->loop().post([which, text, &shard = *shard] { shard.close_where(which, text); });
  }
}

UserQuotaRef Shared::user_quota(std::string_view user) const {
  std::shared_lock lock(mutex_);
  auto found = user_quotas_.find(user);
  return found == user_quotas_.end() ? nullptr : found->second;
}

void Shared::each_user_quota(const std::function<void(const std::string&, UserQuota&)>& visit) const {
  std::shared_lock lock(mutex_);
  for (const auto& [user, quota] : user_quotas_) visit(user, *quota);
}

Broker::Broker(BrokerConfig config) : config_(std::move(config)), shared_(config_) {}

Broker::~Broker() {
  stop();
  // The shards that its events are for go now.
  if (config_.definitions != nullptr) config_.definitions->stop();
}

Result<void> Broker::start(const std::optional<net::Address>& amqp, const std::optional<net::Address>& amqps) {
  for (const auto& shard : shared_.shards()) {
    if (auto opened = shard->open_store(); !opened) return opened;
  }
  if (auto restored = restore(); !restored) return restored;
  if (auto declared = declare_entities(); !declared) return declared;
  for (const auto& shard : shared_.shards()) shard->recovered_all();
  if (amqp) {
    auto acceptor = net::Acceptor::listen(shared_.shards().front()->loop(), *amqp);
    if (!acceptor) return tl::unexpected(acceptor.error());
    acceptor_ = std::move(*acceptor);
    address_ = acceptor_->address();
    acceptor_->start([this](int socket) { adopt(socket); });
  }
  if (amqps) {
    auto acceptor = net::Acceptor::listen(shared_.shards().front()->loop(), *amqps);
    if (!acceptor) return tl::unexpected(acceptor.error());
    tls_acceptor_ = std::move(*acceptor);
    tls_acceptor_->start([this](int socket) {
      next_shard().adopt_tls(socket, Taken::from(shared_.connections_, *shared_.connections_));
    });
  }
  for (const auto& shard : shared_.shards()) {
    threads_.emplace_back([&shard = *shard] { shard.run(); });
  }
  running_ = true;
  const auto tell = [this](const std::string& reason) {
    for (const auto& shard : shared_.shards()) shard->set_alarm(reason, config_.alarms->memory_short());
  };
  config_.alarms->on_change(tell);
  tell(config_.alarms->reason());
  return {};
}

Result<void> Broker::declare_entities() {
  unsigned home = 0;
  for (const BrokerConfig::Entities& each : config_.entities) {
    SharedVhostRef vhost = shared_.find_vhost(each.vhost);
    if (!vhost) return fail(fmt::format("vhost '{}' has entities but is not configured", each.vhost));
    std::vector<QueueEntryRef> created;
    auto declared = vhost->write([&](Vhost& topology) -> AmqpResult<void> {
      for (const ExchangeSpec& exchange : each.exchanges) {
        if (auto done = topology.declare_exchange(exchange, false); !done) return done;
      }
      for (const QueueSpec& queue : each.queues) {
        auto done = topology.declare_queue(queue, 0, home, false);
        if (!done) return tl::unexpected(done.error());
        if (done->created) created.push_back(done->queue);
        home = (home + 1) % config_.shards;
      }
      for (const BindingSpec& binding : each.bindings) {
        if (auto done = topology.bind(binding, 0); !done) return done;
      }
      return {};
    });
    // A queue asks the topology what it is to obey.
    for (const QueueEntryRef& queue : created) shared_.shards()[queue->home]->create_queue(vhost, queue);
    if (declared) continue;
    return fail(fmt::format("the configuration of vhost '{}': {}{}", each.vhost, declared.error().explanation,
                            config_.definitions == nullptr
                                ? ""
                                : "; what was declared before stays as it is: delete it, or write it into the "
                                  "configuration as it is"));
  }
  return config_.definitions == nullptr ? Result<void>{} : config_.definitions->sync();
}

std::optional<net::Address> Broker::tls_address() const {
  return tls_acceptor_ ? std::optional(tls_acceptor_->address()) : std::nullopt;
}

Shard& Broker::next_shard() {
  return *shared_.shards()[next_shard_.fetch_add(1, std::memory_order_relaxed) % config_.shards];
}

void Broker::adopt(int socket) {
  next_shard().adopt(socket, Taken::from(shared_.connections_, *shared_.connections_));
}

Result<int> Broker::connect_internally(UserRef as) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail("no connection within this broker: " + std::generic_category().message(errno));
  }
  next_shard().adopt_internal(ends[1], std::move(as));
  return ends[0];
}

std::optional<Monotonic> Broker::sync_began(unsigned shard) const {
  return shared_.shards()[shard]->sync_began();
}

void Broker::stop(std::string_view reason) {
  if (!running_) return;
  running_ = false;
  shared_.stopping_ = true;
  config_.alarms->on_change({});
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t open = shared_.shards().size();
  shared_.shards().front()->loop().post([this] {
    if (acceptor_) acceptor_->close();
    if (tls_acceptor_) tls_acceptor_->close();
  });
  for (const auto& shard : shared_.shards()) {
    shard->close_all(std::string(reason), [&] {
      std::lock_guard lock(mutex);
      --open;
      changed.notify_one();
    });
  }
  {
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, config_.shutdown_grace, [&] { return open == 0; })) {
      log::warning("broker", "some clients did not answer connection.close within {} ms",
                   config_.shutdown_grace.count());
    }
  }
  for (const auto& shard : shared_.shards()) shard->loop().stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  acceptor_.reset();
  tls_acceptor_.reset();
}

}  // namespace wherry::broker

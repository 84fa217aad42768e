#include "broker/shard/broker.h"

#include <condition_variable>

#include <fmt/format.h>

#include "base/log.h"
#include "broker/shard/shard.h"

namespace wherry::broker {

Shared::Shared(const BrokerConfig& config) : config_(config) {
  for (const std::string& name : config.vhosts) vhosts_.emplace(name, std::make_shared<SharedVhost>(name));
  for (unsigned i = 0; i < config.shards; ++i) shards_.push_back(std::make_unique<Shard>(i, *this));
}

SharedVhostRef Shared::find_vhost(std::string_view name) const {
  auto found = vhosts_.find(name);
  return found == vhosts_.end() ? nullptr : found->second;
}

Broker::Broker(BrokerConfig config) : config_(std::move(config)), shared_(config_) {}

Broker::~Broker() {
  stop();
}

Result<void> Broker::start(const net::Address& amqp) {
  if (auto declared = declare_entities(); !declared) return declared;
  auto acceptor = net::Acceptor::listen(shared_.shards().front()->loop(), amqp);
  if (!acceptor) return tl::unexpected(acceptor.error());
  acceptor_ = std::move(*acceptor);
  address_ = acceptor_->address();
  acceptor_->start([this](int socket) {
    shared_.shards()[next_shard_]->adopt(socket);
    next_shard_ = (next_shard_ + 1) % config_.shards;
  });
  for (const auto& shard : shared_.shards()) {
    threads_.emplace_back([&shard = *shard] { shard.run(); });
  }
  running_ = true;
  return {};
}

Result<void> Broker::declare_entities() {
  unsigned home = 0;
  for (const BrokerConfig::Entities& each : config_.entities) {
    SharedVhostRef vhost = shared_.find_vhost(each.vhost);
    if (!vhost) return fail(fmt::format("vhost '{}' has entities but is not configured", each.vhost));
    auto declared = vhost->write([&](Vhost& topology) -> AmqpResult<void> {
      for (const ExchangeSpec& exchange : each.exchanges) {
        if (auto done = topology.declare_exchange(exchange, false); !done) return done;
      }
      for (const QueueSpec& queue : each.queues) {
        auto done = topology.declare_queue(queue, 0, home, false);
        if (!done) return tl::unexpected(done.error());
        if (done->created) shared_.shards()[home]->create_queue(vhost, done->queue);
        home = (home + 1) % config_.shards;
      }
      for (const BindingSpec& binding : each.bindings) {
        if (auto done = topology.bind(binding, 0); !done) return done;
      }
      return {};
    });
    if (!declared) return fail(fmt::format("vhost '{}': {}", each.vhost, declared.error().explanation));
  }
  return {};
}

void Broker::stop(std::string_view reason) {
  if (!running_) return;
  running_ = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t open = shared_.shards().size();
  shared_.shards().front()->loop().post([this] { acceptor_->close(); });
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
}

}  // namespace wherry::broker

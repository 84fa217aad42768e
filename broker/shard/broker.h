// Broker: all shards of one process, what they share, and the ear to the network.
//
// Threads: start() and stop() on the thread that owns it; address() any, after start(). Each shard runs its own thread.
// Lifetime: stop() (or the destructor) closes every connection, then joins the threads.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/auth/users.h"
#include "broker/session/session.h"
#include "broker/session/shared_vhost.h"
#include "net/address.h"
#include "net/stream.h"

namespace wherry::broker {

class Shard;

struct BrokerConfig {
  unsigned shards = 1;
  SessionConfig session;
  std::vector<std::string> vhosts{"/"};
  std::shared_ptr<const Users> users;
  std::function<std::unique_ptr<MessageStore>(unsigned shard)> make_store;  // One for each shard.
  // What is declared at start, in each vhost: durable entities that the configuration names.
  struct Entities {
    std::string vhost;
    std::vector<ExchangeSpec> exchanges;
    std::vector<QueueSpec> queues;
    std::vector<BindingSpec> bindings;
  };
  std::vector<Entities> entities;
  std::size_t mailbox_high_mark =
      32 * 1024;  // Mail that waits for one shard; above, sockets that feed it are not read.
  std::chrono::milliseconds shutdown_grace{5'000};  // For clients to answer connection.close.
};

// What every shard may read. Threads: any.
class Shared {
 public:
  explicit Shared(const BrokerConfig& config);
  const BrokerConfig& config() const { return config_; }
  SharedVhostRef find_vhost(std::string_view name) const;
  const std::vector<std::unique_ptr<Shard>>& shards() const { return shards_; }

 private:
  friend class Broker;
  const BrokerConfig& config_;
  std::map<std::string, SharedVhostRef, std::less<>> vhosts_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

class Broker {
 public:
  explicit Broker(BrokerConfig config);
  ~Broker();

  // Starts the shards' threads, declares the configured entities (an error names the one that conflicts), then listens.
  Result<void> start(const net::Address& amqp);
  net::Address address() const { return address_; }
  // Closes every connection with 320 (reason in the text) and waits, at most shutdown_grace. Idempotent.
  void stop(std::string_view reason = "shutdown");

 private:
  Result<void> declare_entities();

  BrokerConfig config_;
  Shared shared_;
  std::vector<std::thread> threads_;
  std::unique_ptr<net::Acceptor> acceptor_;
  net::Address address_;
  unsigned next_shard_ = 0;  // Connections go to the shards in turn.
  bool running_ = false;
};

}  // namespace wherry::broker

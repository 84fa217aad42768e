// Broker: all shards of one process, what they share, and the ear to the network.
//
// Threads: start() and stop() on the thread that owns it; what says "any thread" may be called between the two. Each
// shard runs its own thread. Lifetime: stop() (or the destructor) closes every connection, then joins the threads.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "broker/auth/user_directory.h"
#include "broker/definitions/definitions.h"
#include "broker/queueing/alarms.h"
#include "broker/queueing/delay_store.h"
#include "broker/session/direct_reply.h"
#include "broker/session/session.h"
#include "broker/session/shared_vhost.h"
#include "broker/session/tap.h"
#include "broker/shard/runtime_access.h"
#include "broker/shard/runtime_settings.h"
#include "broker/shard/sweep.h"
#include "net/address.h"
#include "net/stream.h"
#include "net/tls.h"

namespace wherry::broker {

class Shard;

// What a shard's store tells its shard.
struct StoreOwner {
  std::function<void(std::function<void()>)> post;  // Runs it on the shard's thread, soon.
  std::function<void(std::string)> failed;          // The disk failed: nothing becomes durable any more.
  std::function<void(bool)> full;                   // The disk is full; it is not any more.
};

struct BrokerConfig {
  unsigned shards = 1;
  SessionConfig session;
  // Of clients over TLS; null: there is no listener for them.
  net::TlsContextRef tls;
  SessionConfig tls_session;
  std::string cluster_name;          // What connection.start tells clients, until it is given another name.
  std::uint64_t connection_max = 0;  // At once, over TLS or not; 0: no limit.
  std::uint64_t queue_max = 0;       // In all virtual hosts; 0: no limit.
  std::vector<std::string> vhosts{"/"};
  std::shared_ptr<const Users> users;  // Of a first start: what was changed since is in the definitions.
  // One for each shard, opened by start(). Errors say what is wrong with what is on the disk.
  std::function<Result<std::unique_ptr<MessageStore>>(unsigned shard, StoreOwner owner)> make_store;
  // A disk failed: the broker is to be stopped, and why. Called on any thread.
  std::function<void(std::string)> on_failure = [](std::string) {};
  // What is declared at start, in each vhost: durable entities that the configuration names.
  struct Entities {
    std::string vhost;
    std::vector<ExchangeSpec> exchanges;
    std::vector<QueueSpec> queues;
    std::vector<BindingSpec> bindings;
  };
  std::vector<Entities> entities;
  // Policies and limits of the configuration.
  ConfiguredSettings settings;
  // Opened, not loaded; outlives the broker. Null: nothing of the topology is kept.
  Definitions* definitions = nullptr;
  std::size_t mailbox_high_mark =
      32 * 1024;  // Mail that waits for one shard; above, sockets that feed it are not read.
  std::size_t mailbox_high_bytes = 32u << 20;                   // The same for the messages in it.
  std::size_t most_waiting_bytes = 32u << 20;                   // For a shard's disk; above, publishers are not read.
  Durability durability = Durability::sync;                     // Where a queue says nothing else.
  std::uint64_t consumer_timeout_ms = 0;                        // The same; 0: none.
  std::shared_ptr<Alarms> alarms = std::make_shared<Alarms>();  // Raised by whoever watches the machine, and by stores.
  std::chrono::milliseconds shutdown_grace{5'000};              // For clients to answer connection.close.
};

// What every shard may read. Threads: any.
class Shared {
 public:
  explicit Shared(const BrokerConfig& config);
  const BrokerConfig& config() const { return config_; }
  // Those of connections that begin now. They stay as long as this does.
  const SessionConfig& session_config() const { return current_.load(std::memory_order_acquire)->plain; }
  const SessionConfig& tls_session_config() const { return current_.load(std::memory_order_acquire)->tls; }
  // For connections that begin from now on; nothing: the configured one.
  void set_cluster_name(const std::string* name);
  SharedVhostRef find_vhost(std::string_view name) const;
  std::vector<SharedVhostRef> vhosts() const;  // By name.
  void add_vhost(SharedVhostRef vhost);
  SharedVhostRef take_vhost(std::string_view name);  // Null when there is none.
  UserDirectory& users() { return users_; }
  const UserDirectory& users() const { return users_; }
  // Null for a user that there is not.
  UserQuotaRef user_quota(std::string_view user) const;
  bool add_user_quota(std::string_view user);  // Whether there was none.
  void remove_user_quota(std::string_view user);
  void each_user_quota(const std::function<void(const std::string& user, UserQuota& quota)>& visit) const;
  const std::vector<std::unique_ptr<Shard>>& shards() const { return shards_; }
  // Runs work on each shard's thread and waits until all have. False: not within patience; what has not run will still.
  // Threads: any but a shard's.
  bool on_each_shard(std::function<void(Shard& shard)> work, std::chrono::milliseconds patience) const;
  // Closes the connections that it is true of, with 320 and the text. Does not wait for them.
  void close_where(std::function<bool(const Session& session)> which, std::string text) const;
  ReplyAddresses& reply_addresses() { return reply_addresses_; }
  Tap& tap() { return tap_; }
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

 private:
  friend class Broker;
  struct Sessions {
    SessionConfig plain;
    SessionConfig tls;
  };
  const BrokerConfig& config_;
  std::vector<std::unique_ptr<const Sessions>> sessions_;  // One for each name that there was.
  std::atomic<const Sessions*> current_{nullptr};
  UserDirectory users_;
  mutable std::shared_mutex mutex_;  // Of the two maps; held for look-ups and changes of them alone.
  std::map<std::string, SharedVhostRef, std::less<>> vhosts_;
  std::map<std::string, UserQuotaRef, std::less<>> user_quotas_;
  Tap tap_;
  const std::shared_ptr<Quota> connections_ = std::make_shared<Quota>();
  const std::shared_ptr<Quota> queues_ = std::make_shared<Quota>();
  ReplyAddresses reply_addresses_;  // Channels that end with their shard still leave it.
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<bool> stopping_{false};
};

class Broker {
 public:
  explicit Broker(BrokerConfig config);
  ~Broker();

  // Opens the stores, restores what the definitions hold, starts the shards' threads, declares the configured entities
  // (an error names the one that conflicts), then listens, where it is told to.
  Result<void> start(const std::optional<net::Address>& amqp, const std::optional<net::Address>& amqps = {});
  net::Address address() const { return address_; }  // Empty when it does not listen.
  std::optional<net::Address> tls_address() const;
  // Takes over the broker's end of a connection that came in another way. Threads: any.
  void adopt(int socket);
  // A connected socket, the caller's, whose other end this broker serves: for a part of this process, which acts with
  // the rights of that user, needs no login and counts among no limits. Threads: any.
  Result<int> connect_internally(UserRef as);
  // Since when a shard waits for the write or sync that is under way. Threads: any.
  std::optional<Monotonic> sync_began(unsigned shard) const;
  // Policies and limits, while it runs. Threads: any.
  RuntimeSettings& settings() { return settings_; }
  // Users, permissions and virtual hosts. Threads: any but a shard's.
  RuntimeAccess& access() { return access_; }
  const Shared& shared() const { return shared_; }
  Shared& shared() { return shared_; }

  // --- what queues hold (x-hold-eta), from any thread. The reply comes on a shard's thread, possibly inside the call,
  // and not at all when the broker stops first. Errors: no such vhost or queue. ---
  // Those behind the key, soonest first, at most so many.
  void list_scheduled(std::string_view vhost, std::string_view queue, ScheduleKey after, std::size_t limit,
                      std::function<void(Result<HeldPage>)> reply);
  // Takes back each message of that name (see DelayStore::cancel_held()); how many. When that is durable.
  void cancel_scheduled(std::string_view vhost, std::string_view queue, std::string name,
                        std::function<void(Result<std::size_t>)> reply);

  // Goes through a queue's ready messages (sweep.h). The reply comes when all is durable, on a shard's thread, possibly
  // inside the call, and not at all when the broker stops first. Any thread. Errors: no such vhost or queue; a queue
  // with x-fair-key.
  void sweep(std::string_view vhost, std::string_view queue, Sweep::Range range, Sweep::Judge judge,
             std::function<void(Result<Sweep::Report>)> reply);

  // Closes every connection with 320 (reason in the text) and waits, at most shutdown_grace. Idempotent.
  void stop(std::string_view reason = "shutdown");

 private:
  class Restoring;
  Shard& next_shard();  // In turn.
  Result<void> restore();
  Result<void> declare_entities();
  Result<QueueEntryRef> find_queue(std::string_view vhost, std::string_view queue) const;

  BrokerConfig config_;
  Shared shared_;
  RuntimeSettings settings_{shared_};
  RuntimeAccess access_{shared_, settings_};
  std::vector<std::thread> threads_;
  std::unique_ptr<net::Acceptor> acceptor_;
  std::unique_ptr<net::Acceptor> tls_acceptor_;
  net::Address address_;
  std::atomic<unsigned> next_shard_{0};  // Connections go to the shards in turn.
  bool running_ = false;
};

}  // namespace wherry::broker

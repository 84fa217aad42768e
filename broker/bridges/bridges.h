// Bridges: the shovels and federation links of a broker: started, watched and stopped as the parameters say.
//
//   Bridges bridges(broker);
//   bridges.start([] { return std::string("wherry@host"); });   // what is set is running from here on
//   bridges.shovels();                                          // as shovel_status shows them
//   bridges.stop();                                             // before the broker stops
//
// They live on a thread of their own, which there is once there is a parameter for them; shards know of them as
// clients. A parameter that changes restarts its bridge; one that is taken away ends it. Threads: any but a shard's;
// what asks for something waits for the bridges' thread. Lifetime: the broker outlives it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "broker/bridges/federation.h"
#include "broker/bridges/shovel.h"
#include "broker/shard/broker.h"
#include "net/event_loop.h"

namespace wherry::broker::bridges {

class Bridges {
 public:
  explicit Bridges(Broker& broker);
  ~Bridges();

  // Once, before anybody changes a parameter. cluster_name: of this broker, as messages that are passed on say it;
  // called on the bridges' thread.
  void start(std::function<std::string()> cluster_name);
  void stop();  // Idempotent.

  struct ShovelRow {
    ShovelSpec spec;  // Of one whose value is unfit: its name alone.
    Bridge::Status status;
  };
  std::vector<ShovelRow> shovels();                                        // By virtual host, then name.
  bool restart_shovel(const std::string& vhost, const std::string& name);  // False: there is none.
  std::vector<FederationRow> federation_links();                           // By virtual host, exchange, upstream.
  bool restart_federation_link(const std::string& id);                     // The same.

 private:
  using Name = std::pair<std::string, std::string>;  // Virtual host, name.
  struct RunningShovel {
    ShovelSpec spec;
    std::string fault;  // Why the value is none; then nothing runs.
    std::unique_ptr<Shovel> shovel;
  };

  void changed();
  void reconcile();
  void reconcile_shovels();
  void run(RunningShovel& shovel);
  // Runs work on the bridges' thread and waits for it; false: there is none.
  bool ask(std::function<void()> work);
  Result<int> open_local(const std::string& vhost) const;

  Broker& broker_;
  net::EventLoop loop_;
  Surroundings around_;
  std::mutex mutex_;
  bool stopped_ = true;
  std::thread thread_;

  // The loop's.
  std::map<Name, RunningShovel> shovels_;
  std::unique_ptr<Federation> federation_;
};

}  // namespace wherry::broker::bridges

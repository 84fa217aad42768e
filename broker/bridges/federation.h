// Federation: which exchanges are federated, and with which upstreams: by the policies federation-upstream and
// federation-upstream-set, and the parameters of those names. It keeps a link for each pair.
//
// Where there is an upstream, the topology of its virtual host is looked at ten times a second: one number is compared,
// and only when that has moved are exchanges and bindings read. So whoever declares and binds pays nothing for it. A
// look that takes long makes the next come later: at most a twentieth of the time is spent on looking.
// Threads: the loop's. Lifetime: loop and broker outlive it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "broker/bridges/federation_link.h"
#include "broker/shard/broker.h"

namespace wherry::broker::bridges {

struct FederationRow {
  std::string id;  // What restart() wants.
  FederationSpec spec;
  Bridge::Status status;
};

class Federation {
 public:
  Federation(const Surroundings& around, Broker& broker);
  ~Federation();

  // Parameters have changed, or it begins.
  void reconcile();
  std::vector<FederationRow> rows() const;
  bool restart(const std::string& id);  // False: there is none.

 private:
  using Key =
      std::tuple<std::string, std::string, std::string, std::string>;  // vhost, exchange, upstream, exchange there
  struct Running {
    FederationSpec spec;
    std::string fault;  // Why the upstream's value is none; then nothing runs.
    std::unique_ptr<FederationLink> link;
  };
  struct Wanted {
    FederationSpec spec;
    std::string fault;
    std::vector<BindingSpec> bindings;
  };
  using AllWanted = std::map<Key, Wanted>;

  void look(bool at_all);
  void look_at(const SharedVhostRef& vhost, AllWanted& wanted) const;
  void want(const SharedVhostRef& vhost, const ExchangeSpec& exchange, const amqp::Table& policy,
            const std::vector<BindingSpec>& bindings, AllWanted& wanted) const;
  void want_set(const std::string& vhost, const std::string& set, const Wanted& pattern, AllWanted& wanted) const;
  void add(Result<UpstreamSpec> upstream, const std::string& vhost, const std::string& name, const Wanted& pattern,
           AllWanted& wanted) const;
  void follow(AllWanted& wanted, const std::set<std::string>& looked_at);
  void run(Running& running, std::vector<BindingSpec> bindings);

  const Surroundings& around_;
  Broker& broker_;
  std::map<Key, Running> links_;
  std::map<std::string, std::uint64_t> seen_;  // Virtual hosts by their version.
  net::Timer timer_;
};

}  // namespace wherry::broker::bridges

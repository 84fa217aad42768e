// FederationLink: what is published to an exchange at another broker, the upstream, comes to one of this broker, as far
// as something here is bound to receive it.
//
// At the upstream it makes what RabbitMQ's federation makes: a durable queue "federation: EXCHANGE -> CLUSTER" that
// keeps what comes while the link is down, and an internal exchange in front of it, to which the upstream's exchange is
// bound once for each binding here. A link that begins makes that internal exchange anew, under the other of two names,
// and takes the old one away when the new has all bindings: so none stays that has gone here meanwhile.
// Loops: each message carries its way in x-received-from, each binding its own in x-bound-from, in RabbitMQ's words. A
// message that has come as many hops as max-hops says, or that has been here, is dropped; a binding is not passed on
// further than that.
// Threads: the loop's. Lifetime: the loop outlives it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "broker/bridges/bridge.h"
#include "broker/routing/vhost.h"

namespace wherry::broker::bridges {

struct FederationSpec {
  UpstreamSpec upstream;
  ExchangeSpec exchange;  // The federated one, of the upstream's virtual host here.
  const std::string& upstream_exchange() const { return upstream.exchange.empty() ? exchange.name : upstream.exchange; }
  friend bool operator==(const FederationSpec& a, const FederationSpec& b);
};

class FederationLink final : public Bridge {
 public:
  FederationLink(const Surroundings& around, FederationSpec spec, std::vector<BindingSpec> bindings);

  const FederationSpec& spec() const { return spec_; }
  // All bindings of the federated exchange as they are now.
  void set_bindings(const std::vector<BindingSpec>& bindings);
  // The exchange is not federated with that upstream any more: takes away there what the link has made, if it stands.
  void dismantle();

 private:
  using Binding = std::pair<std::string, std::string>;  // Routing key; arguments as they are sent.

  void set_up() override;
  void torn_down() override { bound_ = false; }
  void find_suffix();
  void ensure_upstream_exchange();
  void make_queue();
  void bind_all();
  void bind(const Binding& binding);
  void pull();
  std::vector<Binding> wanted(const std::vector<BindingSpec>& bindings) const;
  bool rewrite_message(const Peer::Message& message, Transfer::Outgoing& out);
  std::string upstream_name();
  const std::string& source_vhost() const { return vhost_there_; }

  const FederationSpec spec_;
  std::vector<BindingSpec> bindings_;
  std::string cluster_;      // This broker's, as it was when the link began.
  std::string queue_;        // At the upstream.
  std::string internal_;     // The internal exchange in use.
  std::string stale_;        // The other name: to be taken away.
  std::string name_there_;   // How the upstream calls itself,
  std::string vhost_there_;  // and the virtual host there.
  bool bound_ = false;       // What is wanted is bound, and kept so.
  std::map<Binding, bool> at_upstream_;
  std::string rewritten_;  // The properties of the message at hand.
};

}  // namespace wherry::broker::bridges

// Operations: what an operator does to exchanges, queues and messages of a running broker, by the rules that a client's
// methods obey. What is declared here is nobody's: it is never exclusive, and exclusive queues of connections are out
// of reach but for a look.
//
// Blocks until it is done and kept: on the disk where a client would be told so only then. Errors: what a client would
// be refused with; internal-error (541) when the shards or the disk do not answer within patience: what was asked for
// may have happened then. Permissions are the caller's business. Threads: any but a shard's.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "broker/routing/message.h"
#include "broker/session/host.h"
#include "protocol/amqp/properties.h"

namespace wherry::broker {

class Shared;

class Operations {
 public:
  // many: of many changes; they are kept when kept() says so, not one by one.
  enum class Waits { for_each, many };
  explicit Operations(Shared& shared, Waits waits = Waits::for_each) : shared_(shared), waits_(waits) {}
  AmqpResult<void> kept() const;

  // Whether it is new.
  AmqpResult<bool> declare_exchange(std::string_view vhost, const ExchangeSpec& spec);
  AmqpResult<void> delete_exchange(std::string_view vhost, std::string_view exchange, bool if_unused);
  AmqpResult<bool> declare_queue(std::string_view vhost, const QueueSpec& spec);
  // How many messages went with it. 404 where there is none.
  AmqpResult<std::uint32_t> delete_queue(std::string_view vhost, std::string_view queue, Host::DeleteIf condition);
  // Its consumers get nothing until it is resumed; of a durable queue that is kept, and this is the change's number.
  AmqpResult<std::uint64_t> set_stopped(std::string_view vhost, std::string_view queue, bool stopped);
  AmqpResult<std::uint32_t> purge(std::string_view vhost, std::string_view queue);
  AmqpResult<void> bind(std::string_view vhost, const BindingSpec& binding);
  AmqpResult<void> unbind(std::string_view vhost, const BindingSpec& binding);

  struct Published {
    bool routed = false;     // It reached a queue, or waits for its delay.
    bool duplicate = false;  // Its key is known, and it was dropped.
    bool accepted = true;    // False: a queue refused it (x-overflow).
  };
  // properties: as on the wire, with its delivery mode and priority.
  AmqpResult<Published> publish(std::string_view vhost, std::string_view exchange, std::string_view routing_key,
                                const amqp::Properties& properties, std::string_view body);

  // Takes so many at most, and settles all of them at once.
  AmqpResult<std::vector<Host::Got>> get(std::string_view vhost, std::string_view queue, std::size_t count,
                                         Settlement how);

 private:
  AmqpResult<SharedVhostRef> vhost(std::string_view name) const;
  AmqpResult<QueueEntryRef> queue(std::string_view vhost, std::string_view name) const;
  AmqpResult<void> kept_now() const { return waits_ == Waits::many ? AmqpResult<void>() : kept(); }

  Shared& shared_;
  const Waits waits_;
  static constexpr std::chrono::seconds patience_{30};
};

}  // namespace wherry::broker

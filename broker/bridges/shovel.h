// Shovel: moves messages from a queue (or an exchange, by way of a queue of its own) to an exchange or a queue, here or
// at another broker.
//
// A destination queue that is not there is made, durable, and its messages are published as mandatory: when it goes
// while the shovel runs, what was on its way is not confirmed by nobody but stays where it was. A message to an
// exchange that routes it nowhere is confirmed by the broker and gone, as for any other publisher.
// Threads: the loop's. Lifetime: the loop outlives it.
#pragma once

#include <functional>
#include <string>

#include "broker/bridges/bridge.h"

namespace wherry::broker::bridges {

class Shovel final : public Bridge {
 public:
  // done: it has moved what src-delete-after says; in a coming turn, from which it may be destroyed.
  Shovel(const Surroundings& around, ShovelSpec spec, std::function<void()> done);

  const ShovelSpec& spec() const { return spec_; }

 private:
  void set_up() override;
  void set_up_source();
  void move(const std::string& queue, std::uint32_t messages);
  bool rewrite_message(const Peer::Message& message, Transfer::Outgoing& out);

  const ShovelSpec spec_;
  const std::function<void()> done_;
  const bool rewrites_;
  amqp::Table entry_;      // Of the header x-shovelled.
  std::string rewritten_;  // The properties of the message at hand.
};

}  // namespace wherry::broker::bridges

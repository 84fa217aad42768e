// DeadLetterVerbs: what an operator may do with dead letters: list, show, replay, discard. JSON in, JSON out: the
// control socket's verbs, and whatever else brings a request and takes an answer (docs/dead-letters.md has the keys).
//
//   DeadLetterVerbs letters(broker, loop);
//   letters.replay(request, reply);                // {"ids": ["..."]} -> {"ok": true, "result": {"replayed": 1, ...}}
//
// Rules: protocol/task/dead_letter.h. The way through the queue: broker/shard/sweep.h. Nothing is delivered for it,
// however long the queue is; one answer holds most_listed letters at most.
// Threads: the loop's. Lifetime: broker and loop outlive it; a late reply is dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "broker/control/control_server.h"
#include "broker/shard/broker.h"
#include "net/event_loop.h"

namespace wherry::broker {

class DeadLetterVerbs {
 public:
  DeadLetterVerbs(Broker& broker, net::EventLoop& loop) : broker_(broker), loop_(loop) {}

  // A list of objects, oldest first.
  void list(const amqp::Table& request, control::Reply reply);
  // A list of objects with all there is to one: mostly one.
  void show(const amqp::Table& request, control::Reply reply);
  void replay(const amqp::Table& request, control::Reply reply) { act(request, true, std::move(reply)); }
  void discard(const amqp::Table& request, control::Reply reply) { act(request, false, std::move(reply)); }

  static constexpr std::int64_t most_listed = 1'000;

 private:
  struct Asked;
  void act(const amqp::Table& request, bool replay, control::Reply reply);
  void collect(const Asked& asked, bool whole, control::Reply reply);
  // To the loop, from a shard's thread.
  control::Reply here(control::Reply reply) const;

  Broker& broker_;
  net::EventLoop& loop_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace wherry::broker

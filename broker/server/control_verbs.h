// ControlVerbs: what an operator may ask of a running broker: docs/control-socket.md lists the verbs.
//
//   verbs.answer(request, [](amqp::Table answer) { ... });     // once, now or in a later turn
//
// A change is answered when it is kept. Verbs that wait for shards are the administration's (broker/admin/verbs.h),
// those here are done on the loop. A new one here is a line in the table of the .cpp and a function beside it. Threads:
// the loop's. Lifetime: the broker, its administration and the loop outlive it; a late reply is dropped.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "broker/admin/administration.h"
#include "broker/admin/dead_letters.h"
#include "broker/control/control_server.h"
#include "broker/shard/broker.h"
#include "net/event_loop.h"

namespace wherry::broker {

class ControlVerbs {
 public:
  ControlVerbs(Broker& broker, admin::Administration& administration, net::EventLoop& loop)
      : broker_(broker), administration_(administration), loop_(loop) {}

  void answer(const amqp::Table& request, control::Reply reply);
  // BrokerConfig::on_committed was called.
  void on_committed();

 private:
  struct Verb;
  static const Verb verbs[];

  template <PolicyKind kind>
  void set_policy(const amqp::Table& request, control::Reply reply);
  template <PolicyKind kind>
  void clear_policy(const amqp::Table& request, control::Reply reply);
  template <PolicyKind kind>
  void list_policies(const amqp::Table& request, control::Reply reply);
  void set_vhost_limits(const amqp::Table& request, control::Reply reply);
  void clear_vhost_limits(const amqp::Table& request, control::Reply reply);
  void list_vhost_limits(const amqp::Table& request, control::Reply reply);
  void set_user_limits(const amqp::Table& request, control::Reply reply);
  void clear_user_limits(const amqp::Table& request, control::Reply reply);
  void list_user_limits(const amqp::Table& request, control::Reply reply);
  void list_scheduled(const amqp::Table& request, control::Reply reply);
  void cancel_scheduled(const amqp::Table& request, control::Reply reply);
  template <void (*ask)(Broker& broker, const amqp::Table& request, admin::DeadLettersAnswered answered)>
  void dead_letters(const amqp::Table& request, control::Reply reply);
  // Of an answer that comes on another thread: the reply, on ours.
  std::function<void(admin::Outcome<amqp::FieldValue> answer)> answer_here(control::Reply reply);
  template <class Answer>
  auto answer_here(control::Reply reply, amqp::FieldValue (*row)(const Answer& answer));

  void when_kept(const RuntimeSettings::Change& change, control::Reply reply);

  Broker& broker_;
  admin::Administration& administration_;
  net::EventLoop& loop_;
  struct Waiting {
    std::uint64_t change;
    control::Reply reply;
  };
  std::deque<Waiting> waiting_;  // Their changes grow.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace wherry::broker

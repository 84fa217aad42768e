// Publisher: publishes on their way, on one confirm channel. Keeps what the broker has not confirmed, in order, and
// publishes it again on the next channel until its deadline.
//
// In a cluster a channel on which publishes get nowhere is given up for a new one (renewal.h): the publisher closes it,
// and its owner opens it again as after any other close.
//
// How it is driven: up() when a channel in confirm mode stands and the topology is restored; on_ack, on_nack,
// on_return, on_select_ok as the channel says them; down() when the channel is gone; on_time() when next_deadline() has
// come.
//
// A publish that makes the broker close the channel (unknown exchange, body too large) is found by publishing all that
// was in flight again one at a time: the one alone in flight when the channel closes is the one to blame. That is exact
// without reading the broker's prose, and slow only in that rare case.
//
// Limits: at most max_unconfirmed publishes or 8 MiB of bodies on the wire (one message always may be); max_waiting
// kept altogether. Threads: one at a time. A Done may call publish().
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "protocol/amqp/connection.h"
#include "sdk/link/prepared.h"
#include "sdk/link/renewal.h"

namespace wherry::sdk {

class Publisher {
 public:
  // renews: it is a cluster, and a channel may be given up for a new one.
  Publisher(std::size_t max_unconfirmed, std::size_t max_waiting, bool renews = false);
  ~Publisher();

  // wire must stay valid until down().
  void up(amqp::Connection& wire, std::uint16_t channel);
  // blamed: the broker closed the channel because of a publish, with this refusal; null: for any other reason.
  void down(const Report* blamed = nullptr);

  void publish(PreparedRef message, Monotonic now);
  // While held nothing is sent (connection.blocked).
  void hold(bool held);

  void on_ack(std::uint64_t tag, bool multiple) { settle(tag, multiple, Answer::taken); }
  void on_nack(std::uint64_t tag, bool multiple, Monotonic now) {
    settle(tag, multiple, renewal_.tries_again(now) ? Answer::try_again : Answer::refused);
  }
  // The answer to a confirm.select that the publisher sent.
  void on_select_ok() { renewal_.answered(); }
  void on_return(const amqp::BasicReturn& method, std::string_view message_id);

  // late: what to say to those whose deadline has passed.
  void on_time(Monotonic now, const Report& late);
  Monotonic next_deadline() const;
  void fail_all(const Report& report);

  std::size_t unconfirmed() const { return in_flight_.size(); }
  std::size_t size() const { return count_; }  // Not yet reported.

 private:
  static constexpr std::size_t max_unconfirmed_bytes = 8u << 20;

  void pump();
  void send(Prepared& entry);
  enum class Answer { taken, refused, try_again };
  void settle(std::uint64_t tag, bool multiple, Answer answer);
  void look_after_channel(Monotonic now);
  Done take(Prepared& entry);

  const std::size_t max_unconfirmed_;
  const std::size_t max_waiting_;
  amqp::Connection* wire_ = nullptr;
  std::uint16_t channel_ = 0;
  bool held_ = false;
  Renewal renewal_;

  // In the order of their tags; the front has tag first_tag_. A null was settled out of order.
  std::deque<PreparedRef> in_flight_;
  std::uint64_t first_tag_ = 1;
  std::size_t in_flight_bytes_ = 0;
  std::deque<PreparedRef> waiting_;
  std::size_t suspects_ = 0;  // So many at the front of waiting_ go one at a time.
  Prepared::Deadlines deadlines_;
  std::size_t count_ = 0;
};

}  // namespace wherry::sdk

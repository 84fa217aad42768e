// Declarer: declares exchanges, queues and bindings on one channel, one at a time, and declares what is remembered
// again on each new connection.
//
// One at a time, because a refusal closes the channel: so it is known which declaration was refused, and none behind it
// is lost. The owner opens the channel anew after on_channel_closed and calls up() again.
//
// How it is driven: connected() at each new connection, up() when the channel stands, on_ok() for each declare-ok or
// bind-ok, down() when the channel is gone.
// Threads: one at a time. A Done may call declare().
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "protocol/amqp/connection.h"
#include "sdk/link/messages.h"
#include "sdk/link/topology.h"

namespace wherry::sdk {

class Declarer {
 public:
  using OnRefused = std::function<void(const Declaration&, const Report&)>;
  // recovered: all that was remembered, or asked for before the connection came, has been declared or refused. Once per
  // connection.
  Declarer(OnRefused on_refused, std::function<void()> recovered)
      : on_refused_(std::move(on_refused)), recovered_(std::move(recovered)) {}

  // remember: declare it again after a reconnect, and also when the answer came too late for done. What this connection
  // has declared already is not sent again.
  void declare(Topology topology, bool remember, Done done, Monotonic deadline);

  void connected();
  void up(amqp::Connection& wire, std::uint16_t channel);
  void on_ok(std::uint32_t messages = 0);
  // refusal: why the broker closed the channel or the connection, when it did so because of a declaration; it meets the
  // declaration that is under way. fatal: it cost the connection, so it is not tried again on the next.
  void down(const Report* refusal = nullptr, bool fatal = false);

  void on_time(Monotonic now, const Report& late);
  Monotonic next_deadline() const;
  void fail_all(const Report& report);

 private:
  struct Group {
    Done done;
    Monotonic deadline = Monotonic::max();
    bool reported = false;
    bool refused = false;  // What is left of it is not sent.
    std::uint32_t messages = 0;
  };
  struct Step {
    std::optional<Declaration> what;  // Empty: the end of the group, or of the recovery when there is no group.
    std::shared_ptr<Group> group;     // Null: a part of the recovery.
    bool remember = false;
  };
  struct Remembered {
    Declaration what;
    bool stands = false;  // In this connection.
  };

  void pump();
  void send(const Declaration& what);
  void finish(Group& group, const Report& report);
  Remembered* find(const Declaration& what);

  OnRefused on_refused_;
  std::function<void()> recovered_;
  amqp::Connection* wire_ = nullptr;
  std::uint16_t channel_ = 0;
  bool waiting_ = false;  // The front of steps_ was sent.
  bool pumping_ = false;
  std::deque<Step> steps_;
  std::deque<Remembered> remembered_;
};

}  // namespace wherry::sdk

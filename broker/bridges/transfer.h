// Transfer: messages on their way from one peer to another, and the answers on their way back. What a shovel and a
// federation link have in common.
//
//   Transfer transfer(loop, source, destination, {.ack_mode = AckMode::on_confirm, .rewrite = ...});
//   ... basic.consume at the source, with transfer.no_ack() ...
//
// With on_confirm the source hears of a message when the destination has confirmed it, and no message is ever in
// neither of the two. What the destination refuses (basic.nack) goes back to its place in the source's queue after a
// second, and so comes again. A destination that takes no more for now (connection.blocked, or its socket is full)
// stops the reading from the source. The destination's channel must be fresh: confirms are counted from its first.
//
// Threads: the loop's. Lifetime: loop and peers outlive it; it takes the peers' events for messages, confirms and flow.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/bridges/peer.h"

namespace wherry::broker::bridges {

class Transfer {
 public:
  // What is published; views live until rewrite's caller has done it.
  struct Outgoing {
    std::string_view exchange;
    std::string_view routing_key;
    std::string_view raw_properties;
    bool mandatory = false;
  };
  struct Config {
    AckMode ack_mode = AckMode::on_confirm;
    std::uint64_t most = 0;  // Messages to pass on; 0: as many as come.
    // False: the message is not for the destination, and done with.
    std::function<bool(const Peer::Message& message, Outgoing& out)> rewrite;
    std::function<void()> finished = [] {};  // So many are there.
  };
  Transfer(net::EventLoop& loop, Peer& source, Peer& destination, Config config);

  bool no_ack() const { return config_.ack_mode == AckMode::no_ack; }
  std::uint64_t passed_on() const { return passed_on_; }  // And, with on_confirm, confirmed.

 private:
  static constexpr std::chrono::milliseconds before_again{1000};

  void on_message(const Peer::Message& message);
  void on_confirm(std::uint64_t tag, bool multiple, bool taken);
  void settle_front();
  void put_back();
  void check_flow();
  void check_finished();
  void ack(std::uint64_t tag, bool multiple);
  bool enough() const { return config_.most > 0 && sent_ >= config_.most; }

  Peer& source_;
  Peer& destination_;
  const Config config_;
  net::Timer again_;

  enum class State : std::uint8_t { sent, taken, refused };
  struct Pending {
    std::uint64_t tag;  // The source's.
    State state = State::sent;
  };
  std::deque<Pending> pending_;  // In the order of the destination's tags; the front has first_.
  std::uint64_t first_ = 1;
  std::vector<std::uint64_t> back_;  // The source's tags of what goes back: refused, or come when there were enough.
  bool refused_ = false;             // There is one in pending_ or back_ that no merged ack may cover.
  std::uint64_t sent_ = 0;
  std::uint64_t passed_on_ = 0;
  bool finished_ = false;
};

}  // namespace wherry::broker::bridges

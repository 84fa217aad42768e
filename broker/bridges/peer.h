// Peer: one end of a bridge: a connection as a client to this broker or another, and one channel on it.
//
//   Peer peer(loop, {.uris = spec.source, .name = "Shovel x", .open_local = ...}, {.ready = ..., .ended = ...});
//   peer.start();                                  // the URIs one after the other, until one lets us in
//   peer.ask(amqp::QueueDeclare{...}, [](const amqp::Method& answer) { ... });
//
// It does not come back by itself: when anything goes wrong, ended() says what, once, and the bridge makes a new one.
// Answers come in the order of what was asked. What may be refused without harm is asked on a channel of its own
// (probe). While paused nothing is read: what the broker sends waits in its socket, and its silence is not held against
// it.
//
// Threads: the loop's. Lifetime: the loop outlives it; events come from the loop and must not destroy it: whoever wants
// to posts that. The destructor closes the connection and tells nobody.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/bridges/parameters.h"
#include "net/event_loop.h"
#include "net/stream.h"
#include "protocol/amqp/connection.h"

namespace wherry::broker::bridges {

struct PeerConfig {
  std::vector<BridgeUri> uris;
  std::string name;  // connection_name: what an operator sees.
  // A connected socket, the caller's, whose other end this broker serves, with all rights in that virtual host.
  std::function<Result<int>(const std::string& vhost)> open_local;
};

class Peer final : net::StreamHandler, amqp::ClientEvents {
 public:
  // Views live until the call returns.
  struct Message {
    std::uint64_t tag = 0;
    bool redelivered = false;
    std::string_view exchange;
    std::string_view routing_key;
    std::string_view raw_properties;
    std::string_view body;
  };
  struct Events {
    std::function<void()> ready;
    std::function<void(std::string reason)> ended;
    std::function<void(const Message& message)> delivered = {};
    // A confirm: taken, or refused.
    std::function<void(std::uint64_t tag, bool multiple, bool taken)> confirmed = {};
    std::function<void()> flow_changed = {};  // takes_more() may be true again.
  };
  Peer(net::EventLoop& loop, PeerConfig config, Events events);
  ~Peer();

  void start();
  // Once both ends are known.
  Events& events() { return events_; }

  using Answered = std::function<void(const amqp::Method& answer)>;
  template <class M>
  void ask(const M& method, Answered then = {}) {
    answers_.push_back(std::move(then));
    wire_->send(channel, method);
    flush();
  }
  // Without an answer.
  template <class M>
  void tell(const M& method) {
    wire_->send(channel, method);
    flush();
  }
  // On a channel that is closed afterwards; refused: why, and the code.
  struct Refusal {
    std::uint16_t code = 0;
    std::string text;
  };
  using Probed = std::function<void(const amqp::Method* answer, const Refusal& refused)>;
  void probe(std::function<void(amqp::Connection& wire, std::uint16_t on)> send, Probed then);

  void publish(const amqp::BasicPublish& method, std::string_view raw_properties, std::string_view body);
  // False: the peer has said that it wants no more now, or a lot is still to be sent.
  bool takes_more() const { return !blocked_ && stream_ && stream_->out().size() < most_unsent; }
  bool blocked() const { return blocked_; }
  void pause();
  void resume();

  // Of the address that let us in.
  const BridgeUri& uri() const { return config_.uris[at_]; }
  const amqp::Table& server_properties() const { return server_properties_; }

 private:
  static constexpr std::uint16_t channel = 1;
  static constexpr std::size_t most_unsent = 512u << 10;
  static constexpr std::chrono::milliseconds patience{1000};  // For the peer to close, once we have.

  std::size_t on_data(std::string_view bytes) override;
  void on_lost(std::string_view reason) override;
  void on_writable() override;
  void on_ready(const amqp::Table& server_properties, const amqp::Tuning& agreed) override;
  void on_method(std::uint16_t channel, const amqp::Method& method) override;
  void on_content(std::uint16_t channel, const amqp::Method& method, const amqp::ContentHeader& header) override;
  void on_body(std::uint16_t channel, std::string_view fragment) override;
  void on_content_end(std::uint16_t channel) override;
  void on_channel_closed(std::uint16_t channel, const amqp::ChannelClose* by_peer) override;
  void on_ended(const Ended& why) override;

  void connect();
  void attempted(Result<std::unique_ptr<net::Stream>> stream);
  void give_up_address(std::string reason);
  void end(std::string reason);
  void flush();
  void settle();
  void drop();

  net::EventLoop& loop_;
  const PeerConfig config_;
  Events events_;
  std::size_t at_ = 0;  // Of the URIs.
  bool ready_ = false;
  bool over_ = false;
  bool blocked_ = false;
  bool paused_ = false;
  bool gives_up_ = false;  // The address is to be left in a coming turn.
  std::string last_reason_;
  std::unique_ptr<net::Connecting> connecting_;
  std::unique_ptr<net::Stream> stream_;
  amqp::ClientConfig client_config_;
  amqp::Table server_properties_;
  std::unique_ptr<amqp::Connection> wire_;
  net::Timer timer_;
  Monotonic armed_ = Monotonic::max();

  std::deque<Answered> answers_;
  struct Probe {
    std::function<void(amqp::Connection& wire, std::uint16_t on)> send;
    Probed then;
  };
  std::map<std::uint16_t, Probe> probes_;

  // The content at hand.
  enum class Content { none, delivery, returned } content_ = Content::none;
  std::uint64_t tag_ = 0;
  bool redelivered_ = false;
  std::string exchange_, routing_key_, raw_properties_, body_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace wherry::broker::bridges

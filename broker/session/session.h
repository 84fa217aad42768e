// Session: the server side of one AMQP connection between its protocol machine and its shard: login, vhost, channels.
//
// Driven by its owner (the shard's endpoint): receive() with bytes, on_time(), on_writable(), on_turn_end(). It writes
// to the output buffer and tells the owner through SessionOwner. A request whose answer comes from another shard holds
// the connection's input until then, so that what a client sends is done in the order it was sent. Threads: its
// shard's. Errors: the peer's become closes; nothing is thrown.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/session/channel.h"
#include "broker/session/host.h"
#include "protocol/amqp/connection.h"

namespace wherry::broker {

struct SessionConfig {
  amqp::ServerConfig amqp;
  // Unsent bytes above which deliveries to this connection wait for its socket.
  std::size_t write_window_bytes = 1u << 20;
};

class SessionOwner {
 public:
  virtual void on_output() = 0;        // There is something to write.
  virtual void on_input_wanted() = 0;  // receive() stopped early and would go on now.
  virtual void at_turn_end() = 0;      // Call on_turn_end() when this turn ends.
  virtual void when_durable() = 0;  // Call on_turn_end() at the end of the turn in which the store's durable() moved.

 protected:
  ~SessionOwner() = default;
};

class Session final : public amqp::ServerEvents {
 public:
  struct Peer {
    std::string address;  // For logs.
    bool loopback = false;
  };
  Session(const SessionConfig& config, Host& host, SessionOwner& owner, OutputBuffer& out, ConnectionId id, Peer peer,
          Monotonic now);
  ~Session();

  // --- driven by the owner ---
  std::size_t receive(std::string_view bytes, Monotonic now);
  Monotonic next_deadline() const { return connection_->next_deadline(); }
  void on_time(Monotonic now);
  void on_writable();
  void on_socket_lost(std::string_view reason);
  void on_turn_end();
  // The broker stops: connection.close 320.
  void shut_down(std::string_view reason);
  bool finished() const { return connection_->finished(); }
  bool waiting() const { return waiting_ > 0; }  // Input is held until another shard has answered.
  void on_published(const PublishTicket& ticket, bool accepted);

  // --- for its channels ---
  ConnectionId id() const { return id_; }
  Host& host() { return host_; }
  amqp::Connection& connection() { return *connection_; }
  const SharedVhostRef& vhost() const { return vhost_; }
  const User& user() const { return *user_; }
  bool has_capability(std::string_view name) const;
  bool window_open() const { return out_.size() < config_.write_window_bytes; }
  void touch() { owner_.on_output(); }
  void flush_confirms_of(Channel& channel);            // When the turn ends.
  void flush_confirms_when_durable(Channel& channel);  // When the store has come further.
  void own(const QueueEntryRef& exclusive_queue);
  // Channel::on_writable() when the window has opened, each channel in its turn.
  void wait_for_window(Channel& channel) { waiting_for_window_.push_back(&channel); }

  // Wraps the reply to a request of a channel: holds the input until it has come. What is returned tells whether there
  // was still a channel to hear it: our own close of the connection ends its channels first and the session later.
  template <class F>
  auto when_answered(Channel& channel, F then) {
    ++waiting_;
    connection_->hold();
    return [this, session = std::weak_ptr<char>(alive_), channel = channel.alive(),
            then = std::move(then)](auto&&... answer) {
      const bool heard = !session.expired() && !channel.expired();
      if (heard) then(std::forward<decltype(answer)>(answer)...);
      if (!session.expired()) answered();
      return heard;
    };
  }

 private:
  Login on_login(std::string_view mechanism, std::string_view response, const amqp::Table& properties) override;
  AmqpResult<void> on_open(std::string_view virtual_host, const amqp::Tuning& agreed) override;
  void on_method(std::uint16_t channel, const amqp::Method& method) override;
  void on_content(std::uint16_t channel, const amqp::Method& method, const amqp::ContentHeader& header) override;
  void on_body(std::uint16_t channel, std::string_view fragment) override;
  void on_content_end(std::uint16_t channel) override;
  void on_channel_closed(std::uint16_t channel, const amqp::ChannelClose* by_peer) override;
  void on_ended(const Ended& why) override;
  void on_update_secret(const amqp::ConnectionUpdateSecret& method);
  void answered();
  Channel* find(std::uint16_t number);

  const SessionConfig& config_;
  Host& host_;
  SessionOwner& owner_;
  OutputBuffer& out_;
  const ConnectionId id_;
  const Peer peer_;
  UserRef user_;
  SharedVhostRef vhost_;
  std::vector<std::string> capabilities_;  // Those the client says it has.
  std::map<std::uint16_t, std::unique_ptr<Channel>> channels_;
  std::vector<std::unique_ptr<Channel>> retired_;  // Closed in this turn; destroyed at its end.
  Channel* last_ = nullptr;                        // The channel asked for last: most connections use one.
  std::uint32_t incarnations_ = 0;
  std::vector<QueueEntryRef> exclusive_;     // Some may be deleted by now.
  std::deque<Channel*> waiting_for_window_;  // With consumers that found the socket's window full.
  std::vector<Channel*> confirming_;         // Channels with confirms to look at when the turn ends.
  unsigned waiting_ = 0;                     // Answers from other shards that are still to come.
  bool receiving_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // Gone when the session has ended: late answers see it.
  std::unique_ptr<amqp::Connection> connection_;            // Last: it calls the rest.
};

}  // namespace wherry::broker

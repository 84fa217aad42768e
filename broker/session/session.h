// Session: the server side of one AMQP connection between its protocol machine and its shard: login, vhost, channels.
//
// Driven by its owner (the shard's endpoint): receive() with bytes, on_time(), on_writable(), on_turn_end(). It writes
// to the output buffer and tells the owner through SessionOwner. A request whose answer comes from another shard holds
// the connection's input until then, so that what a client sends is done in the order it was sent. Input is also held
// at a publish that meets the gate closed, until it opens, and while a client leaves too many answers unread.
// A login from an address that has failed too often waits for its turn (broker/auth/login_throttle.h), within the
// handshake's time. What tells of a change of the topology is written, but held back with everything behind it until
// the change is on the disk: the next request is handled meanwhile, and many changes share a sync. Threads: its
// shard's. Errors: the peer's become closes; nothing is thrown.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/session/channel.h"
#include "broker/session/host.h"
#include "broker/session/session_info.h"
#include "protocol/amqp/connection.h"

namespace wherry::broker {

struct SessionConfig {
  amqp::ServerConfig amqp;
  bool login_by_common_name = true;  // By EXTERNAL; else by the whole distinguished name.
  // Unsent bytes above which deliveries to this connection wait for its socket.
  std::size_t write_window_bytes = 1u << 20;
  // Unsent bytes of answers above which the connection's input waits for its socket.
  std::size_t unread_answers_bytes = 1u << 20;
  // Unsent bytes above which direct replies are dropped: nothing else could be done with them.
  std::size_t unread_replies_bytes = 64u << 20;
  // Bytes of deliveries that wait for an ack above which no more are made to this connection's consumers.
  std::uint64_t most_unacked_bytes = 256u << 20;
  // For the text that tells a client that there are as many connections as may be.
  std::uint64_t connection_max = 0;
};

class SessionOwner {
 public:
  virtual void on_output() = 0;        // There is something to write.
  virtual void on_input_wanted() = 0;  // receive() stopped early and would go on now.
  virtual void on_gate_met() = 0;      // Call on_gate_changed() whenever it has.
  virtual void at_turn_end() = 0;      // Call on_turn_end() when this turn ends.
  virtual void when_durable() = 0;    // Call on_turn_end() at the end of the turn in which the store's durable() moved.
  virtual void when_committed() = 0;  // Call on_committed() when Host::committed() has moved, while awaits_commit().

 protected:
  ~SessionOwner() = default;
};

class Session final : public amqp::ServerEvents {
 public:
  struct Peer {
    std::string address;  // For logs.
    bool loopback = false;
    std::string certified = {};  // The user that its certificate names; empty: it has shown none that is good.
    UserRef internal = {};       // A part of this broker, which needs no login and counts nowhere.
    std::string host = {};       // Whose failed logins are counted together; empty: nobody's.
    bool one_too_many = false;   // There are as many connections as may be: it is told so once it has logged in.
  };
  Session(const SessionConfig& config, Host& host, SessionOwner& owner, OutputBuffer& out, ConnectionId id, Peer peer,
          Monotonic now);
  ~Session();

  // --- driven by the owner ---
  std::size_t receive(std::string_view bytes, Monotonic now);
  Monotonic next_deadline() const {
    return std::min(connection_->next_deadline(), login_turn_.value_or(Monotonic::max()));
  }
  void on_time(Monotonic now);
  void on_writable();
  void on_socket_lost(std::string_view reason);
  void on_turn_end();
  // The broker stops: connection.close 320.
  void shut_down(std::string_view reason);
  // Somebody wants it closed: 320 with that text.
  void force_close(std::string text);
  bool finished() const { return connection_->finished(); }
  // It finished because the client closed the connection, and the client has the answer: closing the socket is its
  // part.
  bool client_closed() const { return client_closed_; }
  // Input is held: receive() takes nothing until on_input_wanted().
  bool waiting() const { return waiting_ > 0 || at_gate_ || drowning_ || ahead_ || login_turn_; }
  // The owner does not read for reasons of its own: silence is not the client's.
  void pause() { connection_->hold(); }
  bool at_gate() const { return at_gate_; }
  void on_gate_changed();
  // Output is held back until a change is committed: a finished session must not go before it was written.
  bool awaits_commit() const { return !uncommitted_.empty(); }
  void on_committed();
  void on_published(const PublishTicket& ticket, bool accepted);
  void on_reply(const ReplyAddress& to, const SharedVhostRef& vhost, const Message& message);

  // --- for those who look at it ---
  ConnectionInfo info() const;
  void add_counts(ChannelCounts& into) const;  // Of its channels that are open.

  // --- for its channels ---
  ConnectionId id() const { return id_; }
  Host& host() { return host_; }
  amqp::Connection& connection() { return *connection_; }
  const SharedVhostRef& vhost() const { return vhost_; }
  std::string_view user_name() const { return user_ ? std::string_view(user_->name()) : std::string_view(); }
  // As it is now: what it may do can change. One that is gone keeps what it had until its connections are closed.
  const User& user() {
    if (host_.users().version() != user_version_) follow_user();
    return *user_;
  }
  std::uint64_t user_version() const { return host_.users().version(); }
  bool has_capability(std::string_view name) const;
  bool window_open() const { return out_.size() < config_.write_window_bytes; }
  std::size_t unsent() const { return out_.size(); }
  // False: its client leaves too much unread for one more direct reply, which is dropped.
  bool takes_replies();
  void delivered(std::size_t bytes) { delivered_ += bytes; }  // Of what was written, this was no answer.
  // Deliveries that wait for an ack, by the bytes of their bodies. One that is below the limit may go above it.
  bool takes_unacked() const { return unacked_ < config_.most_unacked_bytes; }
  std::uint64_t most_unacked() const { return config_.most_unacked_bytes; }
  void unacked(std::uint64_t bytes) { unacked_ += bytes; }
  void settled(std::uint64_t bytes);
  void touch() { owner_.on_output(); }
  void flush_confirms_of(Channel& channel);            // When the turn ends.
  void flush_confirms_when_durable(Channel& channel);  // When the store has come further.
  void own(const QueueEntryRef& exclusive_queue);
  // What is written from here on is not sent before this change of the topology is kept; or before this queue is.
  void await_commit(std::uint64_t change);
  void await_commit(QueueEntry& queue);
  // Channel::on_writable() when the window has opened, or enough was acknowledged, each channel in its turn.
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
  bool waits_for_login(Monotonic now);
  Login on_login(std::string_view mechanism, std::string_view response, const amqp::Table& properties) override;
  Result<UserRef> log_in(std::string_view mechanism, std::string_view response) const;
  AmqpResult<void> on_open(std::string_view virtual_host, const amqp::Tuning& agreed) override;
  AmqpResult<void> on_channel_open(std::uint16_t channel) override;
  void follow_user();
  AmqpResult<void> take_quotas(std::string_view virtual_host);
  void on_method(std::uint16_t channel, const amqp::Method& method) override;
  void on_content(std::uint16_t channel, const amqp::Method& method, const amqp::ContentHeader& header) override;
  void on_body(std::uint16_t channel, std::string_view fragment) override;
  void on_content_end(std::uint16_t channel) override;
  void on_channel_closed(std::uint16_t channel, const amqp::ChannelClose* by_peer) override;
  void on_ended(const Ended& why) override;
  void on_update_secret(const amqp::ConnectionUpdateSecret& method);
  void answered();
  void want_input();
  void wake_waiting();
  void meet_gate(std::uint16_t channel);
  void tell_alarm();
  void check_unread();
  void end_channels();
  Channel* find(std::uint16_t number);

  const SessionConfig& config_;
  Host& host_;
  const PublisherGate& gate_;
  SessionOwner& owner_;
  OutputBuffer& out_;
  const ConnectionId id_;
  const Peer peer_;
  bool login_asked_ = false;
  bool greeted_ = false;                 // What comes next is the login.
  std::optional<Monotonic> login_turn_;  // Too many have failed from there: it is looked at then.
  Monotonic now_{};                      // Of what is being handled.
  UserRef user_;
  std::uint64_t user_version_ = 0;  // Of the directory, when user_ was looked up.
  SharedVhostRef vhost_;
  std::string mechanism_;
  amqp::Table client_properties_;
  std::uint64_t connected_ms_;
  bool counted_ = false;  // In connections_opened.
  UserQuotaRef user_quota_;
  Taken of_vhost_;  // This connection, while it is open.
  Taken of_user_;
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
  bool at_gate_ = false;           // A publish met the gate closed.
  bool drops_replies_ = false;     // Said so in the log.
  bool told_blocked_ = false;      // connection.blocked was said, unblocked not yet.
  bool drowning_ = false;          // The client leaves its answers unread.
  bool client_closed_ = false;     // Said by client_closed().
  bool ahead_ = false;             // Too many changes wait for the disk.
  bool shutting_down_ = false;     // Input is discarded but for the client's last word: it is not held any more.
  bool ending_ = false;            // The connection ends: its channels have given back what they had.
  bool acked_again_ = false;       // Enough was acknowledged: those that wait for the window are to be woken.
  std::uint64_t unacked_ = 0;      // Bytes of deliveries that wait for an ack.
  std::uint64_t output_from_ = 0;  // out_.total() when it was last nearly empty.
  std::size_t delivered_ = 0;      // Bytes of deliveries since.
  struct Uncommitted {
    std::uint64_t change;
    std::uint64_t from;  // Of out_.total().
  };
  std::vector<Uncommitted> uncommitted_;                    // Both grow.
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // Gone when the session has ended: late answers see it.
  std::unique_ptr<amqp::Connection> connection_;            // Last: it calls the rest.
};

}  // namespace wherry::broker

// What both sides of a connection share: frames, channels, content, heartbeats and the two closes. The sides add their
// half of the handshake (server_connection.cpp, client_connection.cpp). Private to this room.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/amqp/connection.h"
#include "protocol/amqp/frame.h"
#include "protocol/amqp/method_codec.h"

namespace wherry::amqp {

enum class Side { server, client };

class ConnectionCore : public Connection {
 public:
  std::size_t receive(std::string_view bytes, Monotonic now) override;
  void hold() override { held_ = true; }
  Monotonic next_deadline() const override;
  void on_time(Monotonic now) override;
  void on_socket_lost(std::string_view reason) override;
  bool finished() const override { return phase_ == Phase::finished; }
  bool running() const override { return phase_ == Phase::running; }
  bool lost() const override { return phase_ == Phase::finished && ended_.lost; }

  void send_method(std::uint16_t channel, const Method& method) override;
  void send_content(std::uint16_t channel, const Method& method, std::string_view raw_properties, std::string_view body,
                    Pin (*make_pin)(const void*), const void* context) override;
  void send_content(std::uint16_t channel, const BasicDeliver& method, std::string_view raw_properties,
                    std::string_view body, Pin (*make_pin)(const void*), const void* context) override;
  void open_channel(std::uint16_t channel) override;
  bool is_open(std::uint16_t channel) const override;
  void close_channel(std::uint16_t channel, const AmqpError& error) override;
  void close(const AmqpError& error) override;
  void close_ok(std::string_view text) override;

 protected:
  // greeting: before the first frame. closing: our connection.close is under way. deaf: the peer's bytes mean nothing
  // any more (framing lost, or refused without a word); the socket stays a while so that it can read our last words.
  enum class Phase { greeting, handshake, running, closing, deaf, finished };
  using Ended = ConnectionEvents::Ended;

  // max_message_size: of the contents that come in.
  ConnectionCore(Side side, ConnectionEvents& events, OutputBuffer& out, Monotonic now,
                 std::chrono::milliseconds handshake_timeout, std::uint64_t max_message_size);

  // Looks at the first bytes; returns how many were used. Stays in greeting when more are needed.
  virtual std::size_t greet(std::string_view bytes) = 0;
  // A method on channel 0 that is not close or close-ok, in handshake or running.
  virtual void on_connection_method(const Method& method) = 0;
  // RabbitMQ's name of where the connection is, for error texts.
  virtual std::string_view state_name() const = 0;

  Phase phase() const { return phase_; }
  void begin_handshake() { phase_ = Phase::handshake; }
  void begin_running();
  void set_frame_max(std::uint32_t frame_max) { frame_max_ = frame_max; }

  template <class M>
  void send_now(const M& method) {
    write_method_frame(out_, 0, Method(method));
    sent_ = true;
  }
  OutputBuffer& out() { return out_; }

  // Closes the connection for an error of the peer.
  void fail(const AmqpError& error);
  void unexpected_method(const Method& method);
  // The peer gets nothing more and is not listened to; ends after a pause that makes guessing slow.
  void refuse_silently(ReplyCode code, std::string text);
  void finish(Ended why);

  // Runs an event; then what its handler caused.
  template <class F>
  void emit(F event) {
    ++depth_;
    event();
    --depth_;
    if (!gone_.empty() || end_due_) settle();
  }

 private:
  struct PeerClose {
    std::uint16_t code;
    std::string text;
    MethodId offender;
  };

  struct Channel {
    enum class State : std::uint8_t { closed, opening, open, closing };
    enum class Expect : std::uint8_t { method, header, body };
    State state = State::closed;
    Expect expect = Expect::method;
    bool told = false;            // on_channel_closed was said or is queued.
    std::uint64_t body_left = 0;  // Bytes of the body still to come.
    Method method;                // The one with content, until its header came; views into payload.
    std::string_view payload;     // Its frame: in the bytes of receive(), or in kept when those went away.
    std::string kept;
    std::unique_ptr<PeerClose> peer_close;  // The peer's close that crossed ours.
  };

  // A channel whose end is to be told.
  struct Gone {
    std::uint16_t channel;
    std::unique_ptr<PeerClose> by_peer;
  };

  std::size_t step(std::string_view bytes);
  std::size_t step_apart(std::string_view bytes);
  std::size_t step_deaf(std::string_view bytes);
  static bool sound(const FrameHeader& frame);
  void on_frame(const FrameHeader& frame, std::string_view payload);
  void on_frame_while_closing(const FrameHeader& frame, std::string_view payload);
  void on_connection_frame(const FrameHeader& frame, std::string_view payload);
  void on_channel_frame(const FrameHeader& frame, std::string_view payload);
  void on_closed_channel_frame(const FrameHeader& frame, std::string_view payload);
  void on_closing_channel_frame(const FrameHeader& frame, Channel& channel, std::string_view payload);
  void on_method_frame(std::uint16_t number, Channel& channel, std::string_view payload);
  void on_header_frame(std::uint16_t number, Channel& channel, std::string_view payload);
  void on_body_frame(std::uint16_t number, Channel& channel, std::string_view payload);
  // What is wrong is said apart from the way of a good frame, which stays short.
  void fail_for_order(const Channel& channel);
  void fail_for_header(const Channel& channel, std::uint16_t class_id, std::uint16_t weight);
  void fail_for_excess(const Channel& channel, std::size_t size);
  void close_for_size(std::uint16_t number, const Channel& channel);
  void on_own_class(std::uint16_t number, Channel& channel, const Method& method);
  void on_peer_connection_close(const ConnectionClose& close);
  void on_peer_channel_close(std::uint16_t number, Channel& channel, const ChannelClose& close);

  Channel* find(std::uint16_t number);
  const Channel* find(std::uint16_t number) const;
  Channel& make(std::uint16_t number);
  void reset(Channel& channel);
  void keep_unfinished();

  void begin_close(std::uint16_t code, std::string text, MethodId offender);
  std::size_t go_deaf_for_size(const FrameHeader& frame, std::uint32_t limit);
  std::size_t go_deaf_for_end(const FrameHeader& frame, std::string_view payload, char end);
  void go_deaf(std::string_view what, const FrameHeader& frame, std::string_view payload);
  void tell_gone(std::uint16_t number, Channel& channel, std::unique_ptr<PeerClose> by_peer);
  void tell_all_gone();
  void settle();
  void arm_close_deadline();
  void check_heartbeat();

  const Side side_;
  ConnectionEvents& events_;
  OutputBuffer& out_;
  Phase phase_ = Phase::greeting;
  const std::uint64_t max_message_size_;
  std::uint32_t frame_max_ = 0;

  std::vector<std::unique_ptr<Channel>> channels_;  // By number; null where there never was one.
  std::vector<std::uint16_t> unfinished_;           // May wait for a content header, since this receive() began.
  Method scratch_;
  ContentHeader header_;  // The one at hand: larger than what is read of most.

  int depth_ = 0;  // Of events being handled.
  bool held_ = false;
  std::vector<Gone> gone_;
  bool end_due_ = false;
  Ended ended_;  // Of our own close while it is under way; then for on_ended.

  Monotonic handshake_deadline_;
  Monotonic close_deadline_{};
  std::chrono::milliseconds linger_{};
  bool close_deadline_armed_ = false;
  bool answer_matters_ = false;  // deaf: whether the peer's close-ok is looked for.
  bool in_call_ = false;         // now_ is the present.
  Monotonic now_;

  bool sent_ = false;  // Since the last heartbeat check.
  Monotonic received_at_;
  Monotonic send_check_at_{};
  Monotonic dead_check_at_{};
};

}  // namespace wherry::amqp

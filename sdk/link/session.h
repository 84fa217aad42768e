// Session: what a Link knows, without a socket and without a clock: connecting and recovering, and the order in which a
// connection is put to use. Link is the thin driver that gives it both.
//
//   idle -> connecting -> handshaking -> restoring -> up -> closing -> closed
//               ^   attempt failed or connection lost: waits (backoff), next endpoint
//
// Restoring: channel 1 confirms publishes, channel 2 declares, from 3 on each subscription has its own. First all that
// was declared is declared again, then publishes go out again and consumers start; on_up is said when both have
// settled.
//
// How it is driven: start(); the host answers connect() with connected() or connect_failed(), gives what it reads to
// receive(), and calls on_time() when next_deadline() has come. After every call the host writes out what is there.
// Threads: one at a time. Lifetime: host and the output buffer given with connected() outlive the connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/output_buffer.h"
#include "protocol/amqp/connection.h"
#include "sdk/link/backoff.h"
#include "sdk/link/consumers.h"
#include "sdk/link/declarer.h"
#include "sdk/link/delayer.h"
#include "sdk/link/link.h"
#include "sdk/link/publisher.h"

namespace wherry::sdk {

// What a Session asks of the world.
class SessionHost {
 public:
  virtual Monotonic now() const = 0;
  // Answered later, once, by connected() or connect_failed(); not from inside.
  virtual void connect(const Endpoint& to, std::chrono::milliseconds timeout) = 0;
  // Writes what is still in the output buffer, then closes. The buffer is not touched after this.
  virtual void disconnect() = 0;
  // Declares on a connection of its own, because a refusal may cost the connection. done: once, not from inside.
  virtual void probe(const Endpoint& at, Topology what, Done done) = 0;

 protected:
  ~SessionHost() = default;
};

class Session final : amqp::ClientEvents {
 public:
  Session(SessionHost& host, LinkConfig config, LinkEvents events, std::function<double()> random);
  ~Session();

  void start();
  void close(std::function<void()> done);
  // Reports what waits as closed; nothing is heard from it any more. The host drops the socket.
  void abandon();

  void connected(OutputBuffer& out);
  void connect_failed(std::string_view reason);
  std::size_t receive(std::string_view bytes);
  void socket_lost(std::string_view reason);
  void on_time();
  Monotonic next_deadline() const;

  bool is_up() const { return state_ == State::up; }
  std::uint64_t generation() const { return generation_; }
  const amqp::Table& server_properties() const { return server_properties_; }

  void declare(Topology topology, bool remember, Done done, Monotonic deadline);
  void publish(PreparedRef message);
  void publish_delayed(Publication message, std::string queue, std::chrono::milliseconds delay, Done done);
  Consumers& consumers() { return consumers_; }

 private:
  enum class State { idle, waiting, connecting, handshaking, restoring, up, closing, closed };

  void on_ready(const amqp::Table& server_properties, const amqp::Tuning& agreed) override;
  void on_method(std::uint16_t channel, const amqp::Method& method) override;
  void on_content(std::uint16_t channel, const amqp::Method& method, const amqp::ContentHeader& header) override;
  void on_body(std::uint16_t channel, std::string_view fragment) override;
  void on_content_end(std::uint16_t channel) override;
  void on_channel_closed(std::uint16_t channel, const amqp::ChannelClose* by_peer) override;
  void on_ended(const Ended& why) override;

  void try_next();
  void after_machine();
  void restore_publishing();
  void check_up();
  void go_down(std::uint16_t denied);
  void finish_close();
  Report late() const;
  bool step_timed_out() const;
  void fail_all(const Report& report);
  bool connection_stands() const { return state_ == State::restoring || state_ == State::up; }

  SessionHost& host_;
  const LinkConfig config_;
  LinkEvents events_;
  Backoff backoff_;
  Publisher publisher_;
  Declarer declarer_;
  Consumers consumers_;
  Delayer delayer_;

  State state_ = State::idle;
  std::size_t attempts_ = 0;
  std::size_t endpoint_ = 0;  // In use or to be tried next.
  Monotonic retry_at_ = Monotonic::max();
  Monotonic step_began_{};  // Connecting, then the handshake.
  Monotonic up_since_{};
  std::uint64_t generation_ = 0;
  amqp::Table server_properties_;

  amqp::ClientConfig client_config_;
  std::unique_ptr<amqp::Connection> wire_;
  bool in_machine_ = false;
  bool confirms_ready_ = false;
  bool recovered_ = false;
  bool consumers_settled_ = false;
  bool ended_ = false;
  Ended end_;
  std::string blocked_reason_;
  std::string last_reason_;        // Why there is no connection; empty when none was lost or failed yet.
  std::uint16_t last_denied_ = 0;  // The broker's code when it did not let us in.
  bool last_silent_ = false;       // The broker's side did not answer at all.
  std::function<void()> close_done_;
};

}  // namespace wherry::sdk

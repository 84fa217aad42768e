// Endpoint: one client's socket and its session, on the shard that adopted it.
//
// Threads: its shard's. Lifetime: until the session has finished and the stream was flushed; the shard destroys it at
// the end of the turn in which it said so.
#pragma once

#include "broker/session/session.h"
#include "broker/shard/survey.h"
#include "net/stream.h"

namespace wherry::broker {

class Shard;

class Endpoint final : public net::StreamHandler, public SessionOwner {
 public:
  // seat: of the connections there may be; empty: it is one too many.
  // internal: see Session::Peer.
  Endpoint(Shard& shard, const SessionConfig& config, ConnectionId id, std::unique_ptr<net::Stream> stream, Taken seat,
           UserRef internal = {});
  ~Endpoint();

  void start() { stream_->start(*this); }
  Session& session() { return session_; }
  const Session& session() const { return session_; }
  ConnectionState state() const;
  bool over() const { return over_; }

  void shut_down(std::string_view reason);
  void force_close(const std::string& text);
  // The shard is behind (a mailbox it feeds is full), or no longer.
  void set_stalled(bool stalled);
  // Ends the connection when its client has closed the socket.
  void look_for_hang_up();
  // Its client has not come through the handshake yet.
  bool shakes() const { return !over_ && session_.vhost() == nullptr; }
  // Ends the connection for another's sake, who gets its seat.
  Taken give_way();

 private:
  std::size_t on_data(std::string_view bytes) override;
  void on_lost(std::string_view reason) override;
  void on_writable() override;
  void on_output() override;
  void on_input_wanted() override;
  void on_gate_met() override;
  void at_turn_end() override;
  void when_durable() override;
  void when_committed() override;
  void set_timer();

  Shard& shard_;
  std::unique_ptr<net::Stream> stream_;
  Session session_;
  net::Timer timer_;
  Monotonic timer_at_ = Monotonic::max();
  std::uint64_t received_ = 0;  // Bytes.
  std::uint64_t reads_ = 0;
  std::uint64_t writes_ = 0;
  Taken seat_;
  bool over_ = false;
  bool stalled_ = false;
};

}  // namespace wherry::broker

#include "broker/shard/endpoint.h"

#include <algorithm>

#include "broker/shard/shard.h"

namespace wherry::broker {

namespace {

Session::Peer peer_of(const net::Stream& stream, bool by_common_name, bool one_too_many, UserRef internal) {
  Session::Peer peer{stream.peer().text(), stream.peer().is_loopback()};
  peer.internal = std::move(internal);
  peer.host = stream.peer().host;
  peer.one_too_many = one_too_many;
  const net::TlsPeer* tls = stream.tls();
  if (tls != nullptr && tls->verified) peer.certified = by_common_name ? tls->common_name : tls->subject;
  return peer;
}

}  // namespace

Endpoint::Endpoint(Shard& shard, const SessionConfig& config, ConnectionId id, std::unique_ptr<net::Stream> stream,
                   Taken seat, UserRef internal)
    : shard_(shard),
      stream_(std::move(stream)),
      session_(config, shard, *this, stream_->out(), id,
               peer_of(*stream_, config.login_by_common_name, !seat, std::move(internal)), shard.loop().now()),
      timer_(shard.loop()),
      seat_(std::move(seat)) {
  set_timer();
}

Endpoint::~Endpoint() = default;

std::size_t Endpoint::on_data(std::string_view bytes) {
  if (stalled_) {
    stream_->pause_reading();
    return 0;
  }
  const std::size_t used = session_.receive(bytes, shard_.loop().now());
  received_ += used;
  ++reads_;
  if (used < bytes.size() && session_.waiting() && !over_) stream_->pause_reading();
  if (!over_) set_timer();
  return used;
}

void Endpoint::on_lost(std::string_view reason) {
  if (over_) return;
  over_ = true;
  session_.on_socket_lost(reason);
  shard_.retire(session_.id());
}

void Endpoint::on_writable() {
  session_.on_writable();
}

void Endpoint::on_output() {
  if (over_) return;
  ++writes_;
  stream_->flush_soon();
  if (!session_.finished() || session_.awaits_commit()) return;
  over_ = true;
  if (session_.client_closed()) {
    stream_->close_after_peer();
  } else {
    stream_->close_after_flush();
  }
  shard_.retire(session_.id());
}

void Endpoint::shut_down(std::string_view reason) {
  session_.shut_down(reason);
  if (!over_) set_timer();
}

ConnectionState Endpoint::state() const {
  ConnectionState row;
  row.info = session_.info();
  row.shard = shard_.shard();
  row.peer = stream_->peer();
  row.local = stream_->local();
  if (stream_->tls() != nullptr) row.tls = *stream_->tls();
  row.received = received_;
  row.reads = reads_;
  row.writes = writes_;
  row.pending = stream_->out().size();
  row.sent = stream_->out().total() - row.pending;
  return row;
}

void Endpoint::force_close(const std::string& text) {
  session_.force_close(text);
  if (!over_) set_timer();
}

void Endpoint::on_input_wanted() {
  // The answer that came may have closed the connection.
  if (!over_) set_timer();
  if (!over_ && !stalled_ && !session_.waiting()) stream_->read_on();
}

void Endpoint::on_gate_met() {
  shard_.await_gate(session_.id());
}

void Endpoint::at_turn_end() {
  shard_.visit_at_turn_end(session_.id());
}

void Endpoint::when_durable() {
  shard_.visit_when_durable(session_.id());
}

void Endpoint::when_committed() {
  shard_.visit_when_committed(session_.id());
}

void Endpoint::set_stalled(bool stalled) {
  stalled_ = stalled;
  if (stalled_) {
    session_.pause();
    stream_->pause_reading();
  } else if (!over_ && !session_.waiting()) {
    stream_->read_on();
  }
}

void Endpoint::look_for_hang_up() {
  if (over_ || !stream_->hung_up()) return;
  stream_->close();
  on_lost("closed by the peer while it was held");
}

Taken Endpoint::give_way() {
  stream_->close();
  on_lost("it has not logged in, and others want to: there are as many connections as may be (connection_max)");
  return std::move(seat_);
}

void Endpoint::set_timer() {
  // Deadlines mostly move later (every byte moves the heartbeat's): the timer is left to fire early and set anew then.
  const Monotonic next = std::max(session_.next_deadline(), shard_.loop().now());
  if (next >= timer_at_) return;
  timer_at_ = next;
  timer_.set(next, [this] {
    timer_at_ = Monotonic::max();
    session_.on_time(shard_.loop().now());
    if (!over_) set_timer();
  });
}

}  // namespace wherry::broker

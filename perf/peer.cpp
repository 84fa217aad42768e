#include "perf/peer.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/socket.h>

#include "perf/clock.h"

namespace wherry::perf {

Peer::Peer(std::unique_ptr<Connection> connection, Totals& totals)
    : connection_(std::move(connection)), totals_(totals) {
  connection_->input().grow(read_size + connection_->frame_max() + amqp::frame_overhead);
}

void Peer::on_readable() {
  FrameScanner& input = connection_->input();
  char* room = input.room();
  const ssize_t got = ::recv(fd(), room, input.room_size(), MSG_DONTWAIT);
  if (got == 0) return totals_.fail("the broker closed the connection without a word");
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) totals_.fail(fmt::format("the connection broke: {}", std::strerror(errno)));
    return;
  }
  input.commit(static_cast<std::size_t>(got));
  on_input(now_ns());
}

void Peer::on_input(std::uint64_t now) {
  FrameScanner& input = connection_->input();
  for (Frame frame; input.next(frame);) handle(frame, now);
  if (input.broken()) totals_.fail("what the broker sends is no AMQP 0-9-1");
}

bool Peer::flush() {
  while (has_output()) {
    const ssize_t sent =
        ::send(fd(), output_.data() + written_, output_.size() - written_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      written_ += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      totals_.fail(fmt::format("the connection broke: {}", std::strerror(errno)));
      break;
    }
  }
  output_.clear();
  written_ = 0;
  return true;
}

void Peer::handle_common(amqp::MethodId method, const Frame& frame) {
  if (is_close(method)) {
    totals_.fail(fmt::format("the broker closed the {}: {}", method.class_id == 10 ? "connection" : "channel",
                             refusal_text(frame.payload)));
  } else if (method == amqp::ConnectionBlocked::id) {
    ByteReader from(frame.payload.substr(4));
    totals_.block_reason = amqp::read_short_string(from);
    on_blocked(true);
  } else if (method == amqp::ConnectionUnblocked::id) {
    on_blocked(false);
  }
}

}  // namespace wherry::perf

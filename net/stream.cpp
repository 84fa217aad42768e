#include "net/stream.h"

#include <system_error>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "net/loop_impl.h"
#include "net/socket_address.h"

namespace wherry::net {

namespace asio = boost::asio;

namespace {

std::string error_text(int code) {
  return std::generic_category().message(code);
}

// The socket and its buffers. Outlives its Stream while it lingers or an operation is under way.
class StreamState final : public Flushable, public std::enable_shared_from_this<StreamState> {
 public:
  StreamState(EventLoop& loop, int socket) : loop_(loop.impl()), socket_(loop_.io, socket), linger_timer_(loop_.io) {
    int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
  }

  void start(StreamHandler& handler) {
    handler_ = &handler;
    wait_readable();
  }

  OutputBuffer& out() { return out_; }

  void flush_soon() {
    if (queued_ || !socket_.is_open()) return;
    queued_ = true;
    loop_.dirty.push_back(shared_from_this());
  }

  void pause_reading() { paused_ = true; }

  void read_on() {
    if (!paused_ && kept_.empty()) return;
    paused_ = false;
    if (offer_posted_) return;
    // In a turn of its own, so that a handler may call read_on() from inside on_data().
    offer_posted_ = true;
    asio::post(loop_.io, [self = shared_from_this()] {
      self->offer_posted_ = false;
      if (!self->socket_.is_open() || self->paused_ || self->handler_ == nullptr) return;
      if (!self->kept_.empty()) self->offer_kept();
      if (self->socket_.is_open() && !self->paused_) self->wait_readable();
    });
  }

  void linger(std::chrono::milliseconds linger, bool peer_first) {
    if (!socket_.is_open() || lingering_) return;
    handler_ = nullptr;
    lingering_ = true;
    peer_first_ = peer_first;
    kept_.clear();
    paused_ = false;
    linger_timer_.expires_after(linger);
    linger_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) self->close();
    });
    flush_soon();
    wait_readable();
  }

  void close() {
    if (!socket_.is_open()) return;
    handler_ = nullptr;
    boost::system::error_code ignored;
    linger_timer_.cancel();
    socket_.close(ignored);
    out_.clear();
    kept_.clear();
  }

  bool hung_up() {
    pollfd socket{descriptor(), POLLRDHUP, 0};
    return socket.fd >= 0 && ::poll(&socket, 1, 0) > 0 && (socket.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }

  bool lingering() const { return lingering_; }
  int descriptor() { return socket_.is_open() ? socket_.native_handle() : -1; }

  void flush() override {
    queued_ = false;
    if (!socket_.is_open() || waiting_to_write_) return;
    was_above_mark_ = was_above_mark_ || out_.size() > low_mark;
    while (out_.sendable() > 0) {
      constexpr int pieces = 64;
      iovec gathered[pieces];
      msghdr message{};
      message.msg_iov = gathered;
      message.msg_iovlen = static_cast<std::size_t>(out_.gather(gathered, pieces));
      ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        wait_writable();
        return;
      }
      if (sent < 0) {
        lost(error_text(errno));
        return;
      }
      out_.consume(static_cast<std::size_t>(sent));
    }
    if (out_.empty()) {
      flushed();
    } else if (out_.size() <= low_mark) {
      tell_writable();
    }
  }

 private:
  // Below this many unsent bytes a producer that had to wait may go on.
  static constexpr std::size_t low_mark = 64 * 1024;

  void flushed() {
    if (lingering_) {
      if (peer_first_) return;
      // Half a close: the peer reads all that was written; closing outright with unread input would reset it away.
      ::shutdown(socket_.native_handle(), SHUT_WR);
      return;
    }
    tell_writable();
  }

  // In a turn of its own: a producer that fills the buffer each time must not keep the others waiting.
  void tell_writable() {
    if (!std::exchange(was_above_mark_, false)) return;
    asio::post(loop_.io, [self = shared_from_this()] {
      if (self->socket_.is_open() && self->handler_) self->handler_->on_writable();
    });
  }

  void wait_writable() {
    waiting_to_write_ = true;
    socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         self->waiting_to_write_ = false;
                         if (error || !self->socket_.is_open()) return;
                         self->flush();
                         if (self->out_.size() <= low_mark) self->tell_writable();
                       });
  }

  void wait_readable() {
    if (waiting_to_read_ || !socket_.is_open()) return;
    waiting_to_read_ = true;
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) { self->readable(!error); });
  }

  void readable(bool ready) {
    waiting_to_read_ = false;
    if (!ready || !socket_.is_open() || paused_) return;
    more_to_read_ = false;
    read_once();
    if (!socket_.is_open() || paused_ || waiting_to_read_) return;
    waiting_to_read_ = true;
    loop_.read.push_back(shared_from_this());
  }

  // A full buffer says that there is more: the reactor need not be asked.
  void read_next_turn() override {
    if (more_to_read_ && socket_.is_open()) {
      asio::post(loop_.io, [self = shared_from_this()] { self->readable(true); });
    } else {
      waiting_to_read_ = false;
      if (!paused_) wait_readable();
    }
  }

  void read_once() {
    char* to = loop_.read_buffer.data() + loop_.head_room;
    const std::size_t had = kept_.size();
    const bool in_place = had <= loop_.head_room;
    if (!in_place) {
      kept_.resize(had + loop_.read_size);
      to = kept_.data() + had;
    }
    ssize_t got = ::recv(socket_.native_handle(), to, loop_.read_size, 0);
    const int error = errno;
    if (!in_place) kept_.resize(had + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got < 0 && (error == EAGAIN || error == EWOULDBLOCK || error == EINTR)) return;
    if (got <= 0) {
      if (lingering_) {
        close();
      } else {
        lost(got == 0 ? "closed by the peer" : error_text(error));
      }
      return;
    }
    more_to_read_ = static_cast<std::size_t>(got) == loop_.read_size;
    if (lingering_) return;  // Whatever still comes is of no interest.
    if (!in_place) {
      offer_kept();
      return;
    }
    to -= had;
    kept_.copy(to, had);
    kept_ = {};
    std::string_view bytes(to, had + static_cast<std::size_t>(got));
    const std::size_t used = handler_->on_data(bytes);
    WHERRY_ASSERT(used <= bytes.size());
    if (socket_.is_open() && !lingering_ && used < bytes.size()) kept_.assign(bytes.substr(used));
  }

  void offer_kept() {
    // The handler may close the stream, which clears kept_: it reads from a string of its own.
    std::string bytes;
    bytes.swap(kept_);
    const std::size_t used = handler_->on_data(bytes);
    WHERRY_ASSERT(used <= bytes.size());
    if (!socket_.is_open() || lingering_ || used == bytes.size()) return;
    bytes.erase(0, used);
    kept_.swap(bytes);
  }

  void lost(const std::string& reason) {
    StreamHandler* handler = handler_;
    close();
    if (handler) handler->on_lost(reason);
  }

  EventLoop::Impl& loop_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer linger_timer_;
  StreamHandler* handler_ = nullptr;
  OutputBuffer out_;
  std::string kept_;  // What the handler did not take.
  bool queued_ = false;
  bool paused_ = false;
  bool offer_posted_ = false;
  bool waiting_to_read_ = false;  // The reactor, or the turn's end, will have it read.
  bool more_to_read_ = false;     // The last read filled the buffer.
  bool waiting_to_write_ = false;
  bool was_above_mark_ = false;  // out() was above low_mark, and nobody was told yet that it no longer is.
  bool lingering_ = false;
  bool peer_first_ = false;  // While lingering.
};

class SocketStream final : public Stream {
 public:
  SocketStream(EventLoop& loop, int socket)
      : state_(std::make_shared<StreamState>(loop, socket)),
        local_(local_address(socket)),
        peer_(peer_address(socket)) {}
  ~SocketStream() override {
    if (!state_->lingering()) state_->close();
  }

  void start(StreamHandler& handler) override { state_->start(handler); }
  OutputBuffer& out() override { return state_->out(); }
  void flush_soon() override { state_->flush_soon(); }
  void pause_reading() override { state_->pause_reading(); }
  void read_on() override { state_->read_on(); }
  bool hung_up() const override { return state_->hung_up(); }
  void close_after_flush(std::chrono::milliseconds linger) override { state_->linger(linger, false); }
  void close_after_peer(std::chrono::milliseconds linger) override { state_->linger(linger, true); }
  void close() override { state_->close(); }
  Address local() const override { return local_; }
  Address peer() const override { return peer_; }

 private:
  std::shared_ptr<StreamState> state_;
  Address local_;
  Address peer_;
};

}  // namespace

std::unique_ptr<Stream> adopt(EventLoop& loop, int socket) {
  return std::make_unique<SocketStream>(loop, socket);
}

}  // namespace wherry::net

#include <system_error>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "net/local_address.h"
#include "net/loop_impl.h"
#include "net/socket_address.h"
#include "net/stream.h"

namespace wherry::net {

namespace asio = boost::asio;

namespace {

Address to_address(const sockaddr_storage& from) {
  char text[INET6_ADDRSTRLEN] = "";
  Address address;
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    address.port = ntohs(v4.sin_port);
  } else if (from.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    address.port = ntohs(v6.sin6_port);
  } else if (from.ss_family == AF_UNIX) {
    address.host = "localhost";
    return address;
  }
  address.host = text;
  return address;
}

class SocketAcceptor final : public Acceptor {
 public:
  SocketAcceptor(EventLoop& loop, int socket) : state_(std::make_shared<State>(loop.impl(), socket)) {
    address_ = local_address(socket);
  }
  ~SocketAcceptor() override { close(); }

  Address address() const override { return address_; }

  void start(std::function<void(int)> on_connection) override {
    state_->on_connection = std::move(on_connection);
    state_->wait();
  }

  void rest(std::chrono::milliseconds time) override { state_->rest(time); }

  void close() override {
    state_->on_connection = nullptr;
    boost::system::error_code ignored;
    state_->pause.cancel();
    state_->socket.close(ignored);
  }

 private:
  struct State : std::enable_shared_from_this<State> {
    State(EventLoop::Impl& loop, int descriptor) : socket(loop.io, descriptor), pause(loop.io) {}

    void wait() {
      socket.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](const boost::system::error_code& error) {
                          if (!error && self->socket.is_open()) self->accept_all();
                        });
    }

    void rest(std::chrono::milliseconds time) {
      resting = true;
      pause.expires_after(time);
      pause.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error) return;  // Closed, or a longer rest.
        self->resting = false;
        if (self->on_connection) self->wait();
      });
    }

    void accept_all() {
      for (int i = 0; i < 64 && on_connection && !resting; ++i) {
        int fresh = ::accept4(socket.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fresh >= 0) {
          on_connection(fresh);
          continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) break;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          log::warning("net", "cannot accept a connection: {}; trying again in 100 ms",
                       std::generic_category().message(errno));
          return rest(std::chrono::milliseconds(100));
        }
        // The others concern the one connection only, which is gone already.
      }
      if (on_connection && !resting) wait();
    }

    asio::posix::stream_descriptor socket;
    asio::steady_timer pause;
    std::function<void(int)> on_connection;
    bool resting = false;  // Until `pause` is over, which goes on with waiting.
  };
  std::shared_ptr<State> state_;
  Address address_;
};

}  // namespace

Address local_address(int socket) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&raw), &size);
  return to_address(raw);
}

Address peer_address(int socket) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  ::getpeername(socket, reinterpret_cast<sockaddr*>(&raw), &size);
  return to_address(raw);
}

Result<std::unique_ptr<Acceptor>> Acceptor::listen(EventLoop& loop, const Address& at) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (int error = ::getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &hints, &found); error != 0) {
    return fail(fmt::format("cannot listen on {}: {}", at.text(), ::gai_strerror(error)));
  }
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  std::string trouble;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    int socket = ::socket(each->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (socket >= 0) ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (socket >= 0 && ::bind(socket, each->ai_addr, each->ai_addrlen) == 0 && ::listen(socket, 1024) == 0) {
      return std::make_unique<SocketAcceptor>(loop, socket);
    }
    trouble = std::generic_category().message(errno);
    if (socket >= 0) ::close(socket);
  }
  return fail(fmt::format("cannot listen on {}: {}", at.text(), trouble));
}

Result<std::unique_ptr<Acceptor>> Acceptor::listen_local(EventLoop& loop, const std::string& path) {
  const auto trouble = [&](int error) {
    return fail(fmt::format("cannot listen on {}: {}", path, std::generic_category().message(error)));
  };
  const auto address = LocalAddress::of(path);
  if (!address) return trouble(address.error());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  // What the descriptor allows the file will: there is no moment in which others could connect.
  if (socket < 0 || ::fchmod(socket, 0600) != 0 || ::bind(socket, address->get(), address->size()) != 0 ||
      ::listen(socket, 16) != 0) {
    const int error = errno;
    if (socket >= 0) ::close(socket);
    return trouble(error);
  }
  return std::make_unique<SocketAcceptor>(loop, socket);
}

}  // namespace wherry::net

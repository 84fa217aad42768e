#include "perf/connection.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf/interrupt.h"
#include "protocol/amqp/table.h"

namespace wherry::perf {

namespace {

constexpr std::chrono::milliseconds call_timeout{60'000};
constexpr std::chrono::milliseconds goodbye_timeout{5'000};
constexpr std::uint32_t wanted_frame_max = 131072;

std::string client_properties() {
  amqp::Table capabilities;
  for (const char* name : {"publisher_confirms", "consumer_cancel_notify", "basic.nack", "connection.blocked",
                           "authentication_failure_close"}) {
    capabilities.set(name, true);
  }
  amqp::Table properties;
  properties.set("product", "wherry-perf");
  properties.set("capabilities", std::move(capabilities));
  return amqp::encode_table(properties);
}

std::string product_of(const amqp::TableView& properties) {
  const auto table = amqp::decode_table(properties);
  if (!table) return "";
  const std::string* product = table->string("product");
  const std::string* version = table->string("version");
  return fmt::format("{}{}{}", product ? *product : "unknown broker", version ? " " : "", version ? *version : "");
}

Error connect_error(const sdk::Endpoint& endpoint, int code) {
  const std::string where = endpoint.address.text();
  if (code == ECONNREFUSED) {
    return {
        fmt::format("{} refuses connections: no broker listens there; start one (wherry-broker), or say where it "
                    "is with --uri amqp://user:password@host:port/vhost",
                    where)};
  }
  if (code == ETIMEDOUT)
    return {fmt::format("{} does not answer within {} ms", where, endpoint.connection_timeout.count())};
  if (code == EMFILE) {
    return {
        fmt::format("no more files can be opened: raise the limit with 'ulimit -n' before connecting to {}", where)};
  }
  return {fmt::format("cannot connect to {}: {}", where, std::strerror(code))};
}

// connect() within a time: 0, or an errno.
int connect_within(int fd, const addrinfo& address, std::chrono::milliseconds limit) {
  timeval wait{};
  wait.tv_sec = limit.count() / 1000;
  wait.tv_usec = static_cast<suseconds_t>(limit.count() % 1000 * 1000);
  // Linux takes the send timeout for connect(), and says EINPROGRESS when it has passed.
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return 0;
  return errno == EINPROGRESS ? ETIMEDOUT : errno;
}

}  // namespace

bool is_close(amqp::MethodId method) {
  return method == amqp::ConnectionClose::id || method == amqp::ChannelClose::id;
}

std::string refusal_text(std::string_view payload) {
  // connection.close and channel.close have the same fields.
  ByteReader from(payload);
  from.u32();
  const std::uint16_t code = from.u16();
  const std::string_view text = amqp::read_short_string(from);
  return fmt::format("{} {}", code, text);
}

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::unique_ptr<Connection>> Connection::open(const sdk::Endpoint& endpoint) {
  std::unique_ptr<Connection> self(new Connection);
  if (auto connected = self->connect(endpoint); !connected) return tl::unexpected(connected.error());
  if (auto agreed = self->handshake(endpoint); !agreed) {
    return fail(fmt::format("{}: {}", endpoint.text(), agreed.error().message));
  }
  self->set_timeout(call_timeout);
  return self;
}

Result<void> Connection::connect(const sdk::Endpoint& endpoint) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(endpoint.address.port);
  if (const int code = ::getaddrinfo(endpoint.address.host.c_str(), port.c_str(), &wanted, &found); code != 0) {
    return fail(fmt::format("cannot find the host {}: {}", endpoint.address.host, ::gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  int code = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address; address = address->ai_next) {
    const int fd = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      code = errno;
      continue;
    }
    code = connect_within(fd, *address, endpoint.connection_timeout);
    if (code == 0) {
      fd_ = fd;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      set_timeout(endpoint.connection_timeout);
      return {};
    }
    ::close(fd);
  }
  return tl::unexpected(connect_error(endpoint, code));
}

Result<void> Connection::handshake(const sdk::Endpoint& endpoint) {
  if (auto sent = send(amqp::protocol_header); !sent) return sent;
  auto start = await(amqp::ConnectionStart::id, "the protocol header");
  if (!start) return tl::unexpected(start.error());
  if (auto method = amqp::decode_method(*start)) {
    product_ = product_of(std::get<amqp::ConnectionStart>(*method).server_properties);
  }

  const std::string properties = client_properties();
  const std::string response = fmt::format("{}{}{}{}", '\0', endpoint.user, '\0', endpoint.password);
  amqp::ConnectionStartOk login{{properties}, "PLAIN", {response}, "en_US"};
  auto tune = call(login, amqp::ConnectionTune::id, 0);
  if (!tune) return tl::unexpected(tune.error());
  ByteReader from(tune->substr(4));
  const std::uint16_t channel_max = from.u16();
  const std::uint32_t offered = from.u32();
  frame_max_ = offered == 0 ? wanted_frame_max : std::min(offered, wanted_frame_max);
  input_.grow(frame_max_ + amqp::frame_overhead);

  std::string bytes;
  append_method(bytes, 0, amqp::ConnectionTuneOk{channel_max, frame_max_, 0});
  append_method(bytes, 0, amqp::ConnectionOpen{endpoint.virtual_host, {}, false});
  if (auto opened = exchange(bytes, amqp::ConnectionOpenOk::id, amqp::ConnectionOpen::name); !opened) {
    return tl::unexpected(opened.error());
  }
  if (auto channel = call(amqp::ChannelOpen{}, amqp::ChannelOpenOk::id); !channel) {
    return tl::unexpected(channel.error());
  }
  return {};
}

void Connection::set_timeout(std::chrono::milliseconds timeout) {
  timeout_ = timeout;
  timeval wait{};
  wait.tv_sec = timeout.count() / 1000;
  wait.tv_usec = static_cast<suseconds_t>(timeout.count() % 1000 * 1000);
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

Result<void> Connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EINTR) {
      if (interrupted()) return fail("interrupted");
    } else if (errno == EAGAIN) {
      return fail(fmt::format("the broker takes no data for {} ms", timeout_.count()));
    } else {
      return fail(fmt::format("the connection broke: {}", std::strerror(errno)));
    }
  }
  return {};
}

Result<Frame> Connection::read_frame() {
  Frame frame;
  while (!input_.next(frame)) {
    if (input_.broken()) return fail("what the broker sends is no AMQP 0-9-1");
    char* room = input_.room();
    const ssize_t got = ::recv(fd_, room, input_.room_size(), 0);
    if (got > 0) {
      input_.commit(static_cast<std::size_t>(got));
    } else if (got == 0) {
      return fail("the broker closed the connection without a word");
    } else if (errno == EINTR) {
      if (interrupted()) return fail("interrupted");
    } else if (errno == EAGAIN) {
      return fail(fmt::format("no answer within {} ms", timeout_.count()));
    } else {
      return fail(fmt::format("the connection broke: {}", std::strerror(errno)));
    }
  }
  return frame;
}

Result<std::string_view> Connection::await(amqp::MethodId answer, std::string_view what) {
  while (true) {
    auto frame = read_frame();
    if (!frame) return fail(fmt::format("{}: {}", what, frame.error().message));
    const amqp::MethodId method = frame->method();
    if (method == answer) return frame->payload;
    if (is_close(method)) return fail(fmt::format("the broker refused {}: {}", what, refusal_text(frame->payload)));
  }
}

Result<std::string_view> Connection::exchange(std::string_view bytes, amqp::MethodId answer, std::string_view what) {
  if (auto sent = send(bytes); !sent) return fail(fmt::format("{}: {}", what, sent.error().message));
  return await(answer, what);
}

Result<std::uint64_t> Connection::pipelined(std::uint64_t count, std::uint64_t outstanding, std::string_view what,
                                            amqp::MethodId answer, const Append& append,
                                            const std::function<bool(std::uint64_t)>& answered) {
  std::uint64_t sent = 0;
  std::uint64_t done = 0;
  std::string bytes;
  while (done < count) {
    bytes.clear();
    for (; sent < count && sent - done < outstanding; ++sent) append(bytes, sent);
    if (!bytes.empty()) {
      if (auto written = send(bytes); !written) return fail(fmt::format("{}: {}", what, written.error().message));
    }
    // Then every answer that is there already, so that the next requests go out together.
    do {
      if (auto got = await(answer, what); !got) return tl::unexpected(got.error());
      ++done;
    } while (done < sent && input_.holds_frame());
    if (answered && !answered(done)) count = sent;
  }
  return done;
}

void Connection::close() {
  if (fd_ < 0) return;
  set_timeout(goodbye_timeout);
  (void)call(amqp::ConnectionClose{200, "goodbye", 0, 0}, amqp::ConnectionCloseOk::id, 0);
  ::close(fd_);
  fd_ = -1;
}

}  // namespace wherry::perf

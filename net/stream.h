// Stream: a connected byte stream; Acceptor: the socket that makes them; connect(): the other way to get one.
//
// Reading: the loop's shared buffer is offered to on_data as it fills; what the handler does not take is kept for this
// stream alone and offered again with more behind it. An idle stream holds no read buffer. A stream is read once a turn
// (at most 64 KiB): what came has been passed on before the same peer is heard again.
// Writing: append to out(), then call flush_soon(); it is written with one gathered write at the end of the turn, but
// for what the buffer is told to hold back.
// Threads: the loop's. Lifetime: the stream owns its socket; handlers are not called after close() or destruction. A
// handler may close or destroy its stream from inside a call.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/output_buffer.h"
#include "base/result.h"
#include "net/address.h"
#include "net/event_loop.h"

namespace wherry::net {

class StreamHandler {
 public:
  // Returns how many bytes were taken. The rest comes again: with the next bytes, or after Stream::read_on().
  virtual std::size_t on_data(std::string_view bytes) = 0;
  // The peer closed, or reading or writing failed. Called once; the stream is closed already.
  virtual void on_lost(std::string_view reason) = 0;
  // out() was above 64 KiB at the end of a turn and has been written down to that. For those who stopped producing.
  virtual void on_writable() {}

 protected:
  ~StreamHandler() = default;
};

// Of a connection over TLS (tls.h).
struct TlsPeer {
  std::string protocol;     // "TLSv1.3".
  std::string cipher;       // OpenSSL's name for it.
  bool verified = false;    // It has shown a certificate that is good.
  std::string subject;      // Of that certificate, as RFC 4514 writes it: "CN=worker,O=Example".
  std::string common_name;  // Empty where it has none.
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual void start(StreamHandler& handler) = 0;

  virtual OutputBuffer& out() = 0;
  virtual void flush_soon() = 0;

  virtual void pause_reading() = 0;
  // Whether the peer has closed its side, read or not: for those who do not read.
  virtual bool hung_up() const = 0;
  virtual void read_on() = 0;  // Also offers again what was not taken.

  // Writes what is in out() (waiting at most linger for the peer), then closes.
  virtual void close_after_flush(std::chrono::milliseconds linger = std::chrono::seconds(5)) = 0;
  // The same, but the peer closes first, and only when it has not within linger is it done without it: for a peer that
  // has said that it will, and may be taken aback when it sees the end before it has closed.
  virtual void close_after_peer(std::chrono::milliseconds linger = std::chrono::seconds(5)) = 0;
  virtual void close() = 0;

  virtual Address local() const = 0;
  virtual Address peer() const = 0;
  // Null where the bytes go as they are.
  virtual const TlsPeer* tls() const { return nullptr; }
};

class Acceptor {
 public:
  // Listens at once. Errors name the address and the cause ("127.0.0.1:5672: Address already in use").
  static Result<std::unique_ptr<Acceptor>> listen(EventLoop& loop, const Address& at);
  // The same on a Unix domain socket that is made there, for its owner alone (mode 0600). Whoever made it removes it.
  static Result<std::unique_ptr<Acceptor>> listen_local(EventLoop& loop, const std::string& path);
  virtual ~Acceptor() = default;

  virtual Address address() const = 0;  // With the port that was picked.

  // Each new connection as a plain descriptor, so that another loop may adopt it. Non-blocking, close-on-exec.
  virtual void start(std::function<void(int socket)> on_connection) = 0;
  // Takes no other connection for that long: they wait in the kernel's queue, which costs nobody anything. To be called
  // by on_connection alone.
  virtual void rest(std::chrono::milliseconds time) = 0;
  virtual void close() = 0;
};

// Takes the descriptor over. TCP_NODELAY is set.
std::unique_ptr<Stream> adopt(EventLoop& loop, int socket);

// Resolves and connects, trying each address, within timeout; done is called once on the loop's thread. Destroying the
// returned handle before that cancels it.
class Connecting {
 public:
  virtual ~Connecting() = default;
};
std::unique_ptr<Connecting> connect(EventLoop& loop, const Address& to, std::chrono::milliseconds timeout,
                                    std::function<void(Result<std::unique_ptr<Stream>>)> done);

}  // namespace wherry::net

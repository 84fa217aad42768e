// TLS for streams: what is trusted and who one is (TlsContext), and connections that begin when both sides have proved
// it.
//
//   auto context = TlsContext::server({.certificate = "server.pem", .key = "server.key", .ca = "ca.pem",
//                                      .verify = TlsVerify::peer});
//   auto shaking = accept_tls(loop, socket, *context, 10s, [](Result<std::unique_ptr<Stream>> stream) { ... });
//   (*context)->reload();                // new files count for the connections that come from now on
//
// Versions 1.2 and 1.3 (RFC 5246, RFC 8446) with OpenSSL's default ciphers. A stream made here is like any other
// (stream.h), and knows its peer's certificate (Stream::tls()). An end without close_notify is an end like any other:
// AMQP has a close of its own.
// Threads: contexts any; streams and handshakes their loop's. Lifetime: a stream keeps what it needs of its context.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/stream.h"

struct ssl_st;

namespace wherry::net {

// none: the peer's certificate is not looked at. peer: one that is shown must be good; a server takes clients that show
// none. required: the peer must show a good one. A client that verifies its server requires one, and the name in it.
enum class TlsVerify { none, peer, required };

// Files in PEM.
struct TlsConfig {
  std::string certificate = {};  // With the chain behind it. Clients: may be empty, and key with it.
  std::string key = {};
  std::string ca = {};  // Whom peers' certificates are checked against; empty: what the system trusts.
  TlsVerify verify = TlsVerify::none;
  friend bool operator==(const TlsConfig&, const TlsConfig&) = default;
};

class TlsContext {
 public:
  // Errors name the file and what is wrong with it.
  static Result<std::shared_ptr<TlsContext>> server(TlsConfig config);
  static Result<std::shared_ptr<TlsContext>> client(TlsConfig config);
  ~TlsContext();

  // Reads the files again. Connections that stand keep what they have; an error changes nothing.
  Result<void> reload();
  const TlsConfig& config() const;

  // A new connection's state; null when there is no memory. The caller frees it. Of this room.
  ssl_st* make() const;

 private:
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};
using TlsContextRef = std::shared_ptr<TlsContext>;

// The server's side of a handshake on a socket that was accepted; done is called once, with a stream that is ready, or
// with why not. Destroying the returned handle before that ends it.
std::unique_ptr<Connecting> accept_tls(EventLoop& loop, int socket, TlsContextRef context,
                                       std::chrono::milliseconds timeout,
                                       std::function<void(Result<std::unique_ptr<Stream>>)> done);
// connect() and the client's side. The server must have a certificate for name, or for to's host where it is empty.
std::unique_ptr<Connecting> connect_tls(EventLoop& loop, const Address& to, TlsContextRef context, std::string name,
                                        std::chrono::milliseconds timeout,
                                        std::function<void(Result<std::unique_ptr<Stream>>)> done);

}  // namespace wherry::net

// HttpReader: requests of HTTP/1.1 (RFC 9112) out of a client's bytes, one after the other, without a socket.
//
//   HttpReader reader({.head_bytes = 16384, .body_bytes = 1 << 20});
//   const std::size_t used = reader.put(bytes);         // what is left comes again
//   if (reader.state() == HttpReader::State::complete) { HttpRequest request = reader.take(); ... }
//
// Limits: those of HttpLimits; a request that is above them or is no HTTP ends in State::refused, with the answer that
// says why; nothing more is read then, and the connection ends with that answer. Bodies have a Content-Length or are
// chunked. Source of the parser: Boost.Beast. Threads: one at a time.
#pragma once

#include <memory>
#include <string_view>

#include "net/http.h"

namespace wherry::net {

// {"error":...,"reason":...}, as RabbitMQ's management API says it.
HttpAnswer http_refusal(int status, std::string_view error, std::string_view reason);

class HttpReader {
 public:
  // idle: nothing of the next request has come. head, body: a part of it. complete: take() gives it.
  enum class State { idle, head, body, complete, refused };

  explicit HttpReader(const HttpLimits& limits);
  ~HttpReader();

  // Precondition: neither complete nor refused. Returns how many bytes were taken; stops once behind the headers, so
  // that the owner can look at them.
  std::size_t put(std::string_view bytes);
  State state() const { return state_; }

  // In State::body: the request without its body.
  HttpRequest head() const;
  // In State::body: the client waits for "100 Continue" before it sends it.
  bool expects_continue() const;
  // In State::body: whether the body may be larger than so many bytes.
  bool may_exceed(std::size_t bytes) const;
  std::size_t body_bytes() const;  // Of those that have come.

  // In State::complete; idle afterwards. peer and loopback are the owner's to fill in.
  HttpRequest take();
  // Of the request that was taken last, or is complete: another may follow on the connection.
  bool keep_alive() const { return keep_alive_; }
  // In State::refused.
  const HttpAnswer& refusal() const { return refusal_; }

 private:
  struct Parser;
  void refuse(int status, std::string_view error, std::string_view reason);

  const HttpLimits limits_;
  std::unique_ptr<Parser> parser_;  // Made with a request's first byte.
  State state_ = State::idle;
  bool keep_alive_ = false;
  HttpAnswer refusal_;
};

// What stands before an answer's body. Names in headers are written as they stand; line ends in values become spaces.
std::string http_head_of(const HttpAnswer& answer, bool keep_alive);

}  // namespace wherry::net

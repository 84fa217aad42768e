// HttpServer: a listener for HTTP/1.1, with TLS or without: a thread with a loop that reads and writes, and threads on
// which the handler runs.
//
//   auto server = HttpServer::listen({"127.0.0.1", 15672}, {.threads = 8, .handler = [](const HttpRequest& request) {
//                                      return HttpAnswer{...}; }});
//
// A thread is taken by a whole request and by nothing else: however many clients connect and say nothing, write their
// request a byte at a time or leave the answer unread, they cost a socket each, and the next request is answered.
// Limits: HttpLimits. At `connections` the client that has been silent the longest is closed for the next one; when all
// wait for answers the next one is. That happens 200 times a second at most: a crowd waits to be let in.
// Requests of a connection are answered one at a time, in order. HEAD is given to the handler, and answered without the
// body. Errors: why it cannot listen ("cannot listen on 127.0.0.1:80: Permission denied"); a handler that throws is
// 500. Threads: handler on the server's threads, several at once, and it may block; admit on the loop's thread, where
// it must not. Lifetime: the destructor waits for the requests under way, and answers them; what the handler uses
// outlives it.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/result.h"
#include "net/address.h"
#include "net/http.h"
#include "net/tls.h"

namespace wherry::net {

class HttpServer {
 public:
  using Handler = std::function<HttpAnswer(const HttpRequest& request)>;
  // Looks at a request whose body is large and has not come yet: an answer turns it away. Empty: all may send one.
  using Admit = std::function<std::optional<HttpAnswer>(const HttpRequest& request)>;
  struct Config {
    std::size_t threads = 2;
    Handler handler = {};
    Admit admit = {};
    HttpLimits limits = {};
    TlsContextRef tls = nullptr;  // Null for plain HTTP.
  };
  static Result<std::unique_ptr<HttpServer>> listen(const Address& at, Config config);
  virtual ~HttpServer() = default;
  virtual Address address() const = 0;  // With the port that was picked.
};

}  // namespace wherry::net

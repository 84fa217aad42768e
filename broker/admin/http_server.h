// HttpServer: a listener for HTTP/1.1 with threads of its own: for the management API, and for metrics.
//
//   auto server = HttpServer::listen({"127.0.0.1", 15672}, 8, [&](const HttpRequest& request) { return ...; });
//
// The handler runs on one of the server's threads, which it may block. Limits: Routes::most_bytes a body (413), 8 KiB a
// request line and a header; a connection that says nothing for 2 s is closed, 5 s in the middle of a request. Errors
// name the address and the cause. Lifetime: the destructor waits for the requests under way; what the handler uses
// outlives it.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "broker/admin/routes.h"
#include "net/address.h"
#include "net/tls.h"

namespace wherry::broker::admin {

class HttpServer {
 public:
  using Handler = std::function<HttpAnswer(const HttpRequest& request)>;
  // tls: null for plain HTTP.
  static Result<std::unique_ptr<HttpServer>> listen(const net::Address& at, std::size_t threads, Handler handler,
                                                    net::TlsContextRef tls = nullptr);
  virtual ~HttpServer() = default;
  virtual net::Address address() const = 0;  // With the port that was picked.
};

}  // namespace wherry::broker::admin

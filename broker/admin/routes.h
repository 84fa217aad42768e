// Routes: from a request's method and path to its handler, who may ask, and back to a status and a text of JSON.
//
//   Routes routes(desk);
//   HttpAnswer answer = routes.answer({.method = "GET", .target = "/api/queues/%2F?page=1", ...});
//
// Errors are RabbitMQ's: 400 bad_request, 401 not_authorised (with WWW-Authenticate), 404 not_found, 405, and 503 when
// the broker is too busy to answer in time. Bodies are JSON objects, 16 deep at most; their size is the server's to
// limit. Threads: any; answer() blocks, admit() does not.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/admin/request.h"
#include "broker/auth/login_throttle.h"
#include "net/http.h"

namespace wherry::broker::admin {

using net::HttpAnswer;
using net::HttpRequest;

// The pairs of a query, decoded, in their order.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view text);

class Routes {
 public:
  explicit Routes(Desk& desk);
  ~Routes();

  HttpAnswer answer(const HttpRequest& request);
  // Before a large body is read: only who may log in may send one. None: it may come.
  std::optional<HttpAnswer> admit(const HttpRequest& request);

  // "GET /api/queues/{vhost}", in order: what docs/openapi.yaml describes.
  static std::vector<std::string> known();

 private:
  struct Route;
  Outcome<Caller> log_in(const HttpRequest& request, Level level);
  Outcome<Answer> dispatch(const HttpRequest& request);

  Desk& desk_;
  LoginThrottle throttle_;
  std::vector<Route> routes_;
};

}  // namespace wherry::broker::admin

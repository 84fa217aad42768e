// Routes: from a request's method and path to its handler, who may ask, and back to a status and a text of JSON.
//
//   Routes routes(desk);
//   HttpAnswer answer = routes.answer({.method = "GET", .target = "/api/queues/%2F?page=1", ...});
//
// Errors are RabbitMQ's: 400 bad_request, 401 not_authorised (with WWW-Authenticate), 404 not_found, 405, and 503 when
// the broker is too busy to answer in time. Limits: a body of 20 MiB, 8 KiB of path and query.
// Threads: any; answer() blocks.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/admin/request.h"
#include "broker/admin/throttle.h"

namespace wherry::broker::admin {

// The least that a caller must be; see Caller.
enum class Level { anybody, management, policymaker, monitoring, administrator };

struct HttpRequest {
  std::string method;
  std::string target;                          // Path and query, as they came.
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;
  std::string peer;  // An address without port.
  bool loopback = false;
};
struct HttpAnswer {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::map<std::string, std::string> headers;
};

// The pairs of a query, decoded, in their order.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view text);

class Routes {
 public:
  static constexpr std::size_t most_bytes = 20u << 20;

  explicit Routes(Desk& desk);
  ~Routes();

  HttpAnswer answer(const HttpRequest& request);

  // "GET /api/queues/{vhost}", in order: what docs/openapi.yaml describes.
  static std::vector<std::string> known();

 private:
  struct Route;
  Outcome<Caller> log_in(const HttpRequest& request, Level level);
  Outcome<Answer> dispatch(const HttpRequest& request);

  Desk& desk_;
  Throttle throttle_;
  std::vector<Route> routes_;
};

}  // namespace wherry::broker::admin

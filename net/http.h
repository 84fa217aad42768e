// A request and an answer of HTTP/1.1 as servers and their handlers see them, and what a server allows. Plain data.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

namespace wherry::net {

struct HttpRequest {
  std::string method;                          // As it came: "GET".
  std::string target;                          // Path and query, as they came.
  std::map<std::string, std::string> headers;  // Names in lower case; of several with one name the first.
  std::string body;
  std::string peer;  // An address without port.
  bool loopback = false;
};

struct HttpAnswer {
  int status = 200;
  std::string type = "application/json";  // Empty: no body, as with 204.
  std::string body;
  std::map<std::string, std::string> headers;
};

// What one client, and all of them together, may take of a server. See docs/limits.md.
struct HttpLimits {
  std::size_t connections = 1'000;     // At once; above it the one that has been silent the longest makes room.
  std::size_t head_bytes = 16u << 10;  // Request line and headers: 431.
  std::size_t body_bytes = 20u << 20;  // 413.
  // A body above this is not taken from whom the server's admit turns away: see HttpServer.
  std::size_t unadmitted_bytes = 64u << 10;
  std::size_t unread_bytes = 256u << 20;   // Of all answers that clients have not read; above it 503.
  std::chrono::milliseconds head{10'000};  // For TLS' handshake; from a request's first byte to its headers' end: 408.
  std::chrono::milliseconds idle{60'000};  // Between two requests of a connection.
  // Bodies and answers have to come further by 64 KiB in this time, or end.
  std::chrono::milliseconds progress{10'000};
};

}  // namespace wherry::net

// Endpoint: where Prometheus reads the metrics, and a supervisor how the worker is. HTTP/1.1, plain or over TLS, on
// threads of its own (net/http_server.h): who reads slowly there, sends nonsense or says nothing costs the worker's
// loop nothing, and keeps nobody waiting. 100 connections at most.
//
//   GET /metrics   the text; in OpenMetrics when the client accepts that. 503 when the worker does not answer.
//   GET /healthz   200 when its loop turns, else 503: to restart it.
//   GET /readyz    200 when it takes tasks, else 503 and why: not to count on it.
//
// Threads: the probes are called on the endpoint's threads, at any time until stop() has returned. Lifetime: the
// destructor stops it, which waits for answers under way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "worker/metrics/exposition.h"

namespace wherry::metrics {

// Files in PEM. No certificate: plain HTTP. With ca who asks must show a certificate that one of these has signed.
struct EndpointTls {
  std::string certificate = {};
  std::string key = {};
  std::string ca = {};
};

class Endpoint {
 public:
  struct Probes {
    std::function<std::optional<Exposition>(Exposition::Format)> metrics;  // None: there is no answer.
    std::function<bool()> lives;
    std::function<std::optional<std::string>()> not_ready;  // Why it is not; none: it is.
  };
  // port 0: a free one. Errors: why it cannot listen there, or which file is wrong.
  static Result<std::unique_ptr<Endpoint>> listen(const std::string& host, std::uint16_t port, Probes probes,
                                                  const EndpointTls& tls = {});
  ~Endpoint();

  std::uint16_t port() const;
  // Reads the files again, for connections that come from now on; an error changes nothing.
  Result<void> renew();
  void stop();

 private:
  struct Impl;
  explicit Endpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wherry::metrics

#include "worker/metrics/endpoint.h"

#include <string_view>
#include <utility>

#include "net/http_server.h"
#include "worker/metrics/process.h"

namespace wherry::metrics {

struct Endpoint::Impl {
  net::TlsContextRef tls;
  std::unique_ptr<net::HttpServer> server;
  std::uint16_t port = 0;
};

namespace {

constexpr std::size_t answering_threads = 2;
// A scraper or two, probes, somebody who looks, and those who connect and say nothing.
constexpr std::size_t most_connections = 100;

Exposition::Format format_for(const net::HttpRequest& request) {
  const auto accept = request.headers.find("accept");
  const bool open =
      accept != request.headers.end() && accept->second.find("application/openmetrics-text") != std::string::npos;
  return open ? Exposition::Format::openmetrics : Exposition::Format::prometheus;
}

net::HttpAnswer line(int status, const std::string& text) {
  return {status, "text/plain; charset=utf-8", text + "\n", {}};
}

net::HttpAnswer answer(const Endpoint::Probes& probes, const net::HttpRequest& request) {
  const std::string_view path = std::string_view(request.target).substr(0, request.target.find('?'));
  if (path != "/metrics" && path != "/healthz" && path != "/readyz") {
    return line(404, "there are /metrics, /healthz and /readyz");
  }
  if (request.method != "GET" && request.method != "HEAD") return line(405, "this path takes GET");
  if (path == "/healthz") {
    const bool well = probes.lives();
    return line(well ? 200 : 503, well ? "lives" : "the worker does not answer");
  }
  if (path == "/readyz") {
    const auto why = probes.not_ready();
    return line(why ? 503 : 200, why.value_or("ready"));
  }
  const Exposition::Format format = format_for(request);
  auto text = probes.metrics(format);
  if (!text) return line(503, "the worker does not answer");
  write_process(*text);
  return {200, std::string(Exposition::content_type(format)), text->finish(), {}};
}

}  // namespace

Endpoint::Endpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Endpoint::~Endpoint() {
  stop();
}

Result<std::unique_ptr<Endpoint>> Endpoint::listen(const std::string& host, std::uint16_t port, Probes probes,
                                                   const EndpointTls& tls) {
  net::HttpServer::Config config{.threads = answering_threads};
  config.handler = [probes = std::move(probes)](const net::HttpRequest& request) { return answer(probes, request); };
  config.limits.connections = most_connections;
  config.limits.body_bytes = 0;
  if (!tls.certificate.empty()) {
    const auto verify = tls.ca.empty() ? net::TlsVerify::none : net::TlsVerify::required;
    auto context = net::TlsContext::server({tls.certificate, tls.key, tls.ca, verify});
    if (!context) return fail("metrics_tls: " + context.error().message);
    config.tls = std::move(*context);
  }
  const net::TlsContextRef context = config.tls;
  auto server = net::HttpServer::listen({host, port}, std::move(config));
  if (!server) return fail("metrics: " + server.error().message);
  auto impl = std::make_unique<Impl>();
  impl->tls = context;
  impl->port = (*server)->address().port;
  impl->server = std::move(*server);
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(impl)));
}

std::uint16_t Endpoint::port() const {
  return impl_->port;
}

Result<void> Endpoint::renew() {
  return impl_->tls ? impl_->tls->reload() : Result<void>();
}

void Endpoint::stop() {
  impl_->server.reset();
}

}  // namespace wherry::metrics

#include "worker/metrics/endpoint.h"

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <httplib.h>

#include "worker/metrics/process.h"

namespace wherry::metrics {

struct Endpoint::Impl {
  httplib::Server server;
  std::thread thread;
  int port = 0;
};

namespace {

// A scraper or two, somebody who looks, and one who connects and says nothing.
constexpr std::size_t most_at_once = 4;

Exposition::Format format_for(const httplib::Request& request) {
  const bool open = request.get_header_value("Accept").find("application/openmetrics-text") != std::string::npos;
  return open ? Exposition::Format::openmetrics : Exposition::Format::prometheus;
}

void answer(httplib::Response& response, int status, const std::string& line) {
  response.status = status;
  response.set_content(line + "\n", "text/plain; charset=utf-8");
}

}  // namespace

Endpoint::Endpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Endpoint::~Endpoint() {
  stop();
}

Result<std::unique_ptr<Endpoint>> Endpoint::listen(const std::string& host, std::uint16_t port, Probes probes) {
  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(most_at_once); };
  server.set_payload_max_length(0);
  server.set_read_timeout(5);
  server.set_keep_alive_max_count(1);  // A connection that is kept would keep a thread.
  // Without the library's SO_REUSEPORT, with which a second worker would share the port without a word.
  server.set_socket_options([](int file) {
    const int yes = 1;
    ::setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.Get("/metrics", [metrics = probes.metrics](const httplib::Request& request, httplib::Response& response) {
    const Exposition::Format format = format_for(request);
    auto text = metrics(format);
    if (!text) return answer(response, 503, "the worker does not answer");
    write_process(*text);
    response.set_content(text->finish(), std::string(Exposition::content_type(format)));
  });
  server.Get("/healthz", [lives = probes.lives](const httplib::Request&, httplib::Response& response) {
    const bool well = lives();
    answer(response, well ? 200 : 503, well ? "lives" : "the worker does not answer");
  });
  server.Get("/readyz", [not_ready = probes.not_ready](const httplib::Request&, httplib::Response& response) {
    const auto why = not_ready();
    answer(response, why ? 503 : 200, why.value_or("ready"));
  });
  errno = 0;
  const int bound = port == 0 ? server.bind_to_any_port(host) : server.bind_to_port(host, port) ? port : -1;
  if (bound <= 0) {
    return fail(fmt::format("metrics: cannot listen on {}:{}: {}", host, port,
                            errno != 0 ? std::strerror(errno) : "no such address"));
  }
  impl->port = bound;
  impl->thread = std::thread([&server] { server.listen_after_bind(); });
  // A stop before it runs would be overheard.
  while (!server.is_running()) std::this_thread::yield();
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(impl)));
}

std::uint16_t Endpoint::port() const {
  return static_cast<std::uint16_t>(impl_->port);
}

void Endpoint::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->server.stop();
  impl_->thread.join();
}

}  // namespace wherry::metrics

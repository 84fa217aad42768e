#include "broker/admin/http_server.h"

#include <cerrno>
#include <cstring>
#include <thread>

#include <fmt/format.h>
#include <httplib.h>

#include "base/log.h"

namespace wherry::broker::admin {

namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

HttpRequest request_of(const httplib::Request& from) {
  HttpRequest request;
  request.method = from.method;
  request.target = from.target;
  for (const auto& [name, value] : from.headers) request.headers.emplace(lower(name), value);
  request.body = from.body;
  request.peer = from.remote_addr;
  request.loopback = net::Address{from.remote_addr, 0}.is_loopback() || from.remote_addr.starts_with("::ffff:127.");
  return request;
}

// The library reads a body until the end of the connection where nothing says how long it is.
bool has_body(const httplib::Request& request) {
  return request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
}

class Server final : public HttpServer {
 public:
  Server(std::size_t threads, Handler handler, net::TlsContextRef tls)
      : handler_(std::move(handler)), tls_(std::move(tls)), server_(make(tls_)) {
    server_->new_task_queue = [threads] { return new httplib::ThreadPool(threads); };
    server_->set_payload_max_length(Routes::most_bytes);
    server_->set_keep_alive_max_count(1000);
    server_->set_keep_alive_timeout(2);
    server_->set_tcp_nodelay(true);
    // SO_REUSEPORT, which the library would set, lets two brokers share a port.
    server_->set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    server_->set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (has_body(request)) return httplib::Server::HandlerResponse::Unhandled;
      respond(request, response);
      return httplib::Server::HandlerResponse::Handled;
    });
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      respond(request, response);
    };
    const char* everything = R"([\s\S]*)";
    server_->Get(everything, answer);
    server_->Post(everything, answer);
    server_->Put(everything, answer);
    server_->Delete(everything, answer);
    server_->Patch(everything, answer);
    server_->set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      response.set_content(response.status == 413 ? R"({"error":"payload_too_large","reason":"the body is too large"})"
                                                  : R"({"error":"bad_request","reason":"this is no HTTP request"})",
                           "application/json");
    });
    server_->set_exception_handler(
        [](const httplib::Request& request, httplib::Response& response, std::exception_ptr) {
          log::error("admin", "{} {} ended with an exception", request.method, request.target);
          response.status = 500;
          response.set_content(R"({"error":"internal_error","reason":"see the broker's log"})", "application/json");
        });
  }
  ~Server() override {
    server_->stop();
    if (thread_.joinable()) thread_.join();
  }

  Result<void> bind(const net::Address& at) {
    const std::string host = at.host.empty() ? "0.0.0.0" : at.host;
    errno = 0;
    const int port = at.port == 0                           ? server_->bind_to_any_port(host)
                     : server_->bind_to_port(host, at.port) ? at.port
                                                            : -1;
    if (port <= 0)
      return fail(fmt::format("cannot listen on {}: {}", at.text(), std::strerror(errno ? errno : EINVAL)));
    address_ = {host, static_cast<std::uint16_t>(port)};
    thread_ = std::thread([this] { server_->listen_after_bind(); });
    // stop() before it runs would be forgotten.
    while (!server_->is_running()) std::this_thread::yield();
    return {};
  }

  net::Address address() const override { return address_; }

 private:
  static std::unique_ptr<httplib::Server> make(const net::TlsContextRef& tls) {
    if (!tls) return std::make_unique<httplib::Server>();
    return std::make_unique<httplib::SSLServer>([&tls](SSL_CTX& context) {
      tls->serve_on(context);
      return true;
    });
  }
  void respond(const httplib::Request& request, httplib::Response& response) {
    HttpAnswer answer = handler_(request_of(request));
    response.status = answer.status;
    for (const auto& [name, value] : answer.headers) response.set_header(name, value);
    if (!answer.headers.contains("Cache-Control")) response.set_header("Cache-Control", "no-cache");
    if (answer.type.empty()) return;
    if (!answer.headers.contains("ETag")) return response.set_content(std::move(answer.body), answer.type);
    // What has a tag is these bytes and no others: the library does not compress what it is handed in pieces.
    const std::size_t size = answer.body.size();
    response.set_content_provider(size, answer.type,
                                  [body = std::move(answer.body)](std::size_t at, std::size_t length, auto& sink) {
                                    return sink.write(body.data() + at, length);
                                  });
  }

  Handler handler_;
  const net::TlsContextRef tls_;
  const std::unique_ptr<httplib::Server> server_;
  net::Address address_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const net::Address& at, std::size_t threads, Handler handler,
                                                       net::TlsContextRef tls) {
  auto server = std::make_unique<Server>(threads, std::move(handler), std::move(tls));
  if (auto bound = server->bind(at); !bound) return tl::unexpected(bound.error());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace wherry::broker::admin

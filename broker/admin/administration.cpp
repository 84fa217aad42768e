#include "broker/admin/administration.h"

#include <fmt/format.h>

#include "base/log.h"
#include "broker/admin/metrics.h"
#include "broker/admin/verbs.h"
#include "broker/console/console.h"

namespace wherry::broker::admin {

namespace {
constexpr std::size_t management_threads = 8;
constexpr std::size_t metrics_threads = 2;

// Nothing where the request is not for the console: the API's refusals are for what nobody knows.
std::optional<HttpAnswer> answer_console(const HttpRequest& request) {
  const auto header = [&](const char* name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? std::string_view() : std::string_view(found->second);
  };
  auto answer = console::console_answer(console::console_files(), {.method = request.method,
                                                                   .target = request.target,
                                                                   .accept_encoding = header("accept-encoding"),
                                                                   .if_none_match = header("if-none-match")});
  if (!answer) return std::nullopt;
  return HttpAnswer{answer->status, std::string(answer->type), std::string(answer->body), std::move(answer->headers)};
}

}  // namespace

Result<std::unique_ptr<Administration>> Administration::start(Broker& broker, bridges::Bridges& bridges,
                                                              AdministrationConfig config) {
  std::unique_ptr<Administration> out(new Administration);
  out->desk_ = std::make_unique<Desk>(broker, bridges, std::move(config.desk));
  out->routes_ = std::make_unique<Routes>(*out->desk_);
  out->desk_->add_listener({"amqp", broker.address()});
  if (const auto at = broker.tls_address()) out->desk_->add_listener({"amqp/ssl", *at});
  // Before anybody can ask what they know.
  if (config.management || config.management_https) {
    out->desk_->sampler().start();
    if (out->desk_->config().observe_tasks) out->desk_->tasks().start();
  }
  const net::TlsContextRef tls = broker.shared().config().tls;
  net::HttpServer::Config manage{.threads = management_threads, .limits = config.http};
  manage.handler = [routes = out->routes_.get(), console = config.console](const HttpRequest& request) {
    if (console) {
      if (auto answer = answer_console(request)) return *std::move(answer);
    }
    return routes->answer(request);
  };
  manage.admit = [routes = out->routes_.get()](const HttpRequest& request) { return routes->admit(request); };
  net::HttpServer::Config measure{.threads = metrics_threads, .limits = config.http};
  measure.handler = [desk = out->desk_.get()](const HttpRequest& request) { return answer_metrics(*desk, request); };
  measure.limits.body_bytes = 0;
  struct Listener {
    const char* protocol;
    const std::optional<net::Address>& at;
    const net::HttpServer::Config& server;
    net::TlsContextRef tls;
  };
  for (const Listener& each :
       {Listener{"http", config.management, manage, {}}, Listener{"https", config.management_https, manage, tls},
        Listener{"http/prometheus", config.metrics, measure, {}},
        Listener{"https/prometheus", config.metrics_https, measure, tls}}) {
    if (!each.at) continue;
    net::HttpServer::Config as = each.server;
    as.tls = each.tls;
    auto server = net::HttpServer::listen(*each.at, std::move(as));
    if (!server) return fail(fmt::format("{}: {}", each.protocol, server.error().message));
    out->desk_->add_listener({each.protocol, (*server)->address()});
    out->servers_.push_back(std::move(*server));
  }
  out->thread_ = std::thread([out = out.get()] { out->work(); });
  return out;
}

Administration::~Administration() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  servers_.clear();
}

std::optional<net::Address> Administration::listener(std::string_view protocol) const {
  for (const DeskConfig::Listener& each : desk_->listeners()) {
    if (each.protocol == protocol) return each.address;
  }
  return std::nullopt;
}

void Administration::ask(const Table& request, Done done) {
  std::lock_guard lock(mutex_);
  waiting_.emplace_back(
      [this, request, done = std::move(done)] { done(run_verb(*desk_, Caller::local_operator(), request)); });
  changed_.notify_all();
}

void Administration::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const auto next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    next();
    lock.lock();
  }
}

}  // namespace wherry::broker::admin

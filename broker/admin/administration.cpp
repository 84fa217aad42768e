#include "broker/admin/administration.h"

#include "base/log.h"
#include "broker/admin/metrics.h"
#include "broker/admin/verbs.h"

namespace wherry::broker::admin {

namespace {
constexpr std::size_t management_threads = 8;
constexpr std::size_t metrics_threads = 2;
}  // namespace

Result<std::unique_ptr<Administration>> Administration::start(Broker& broker, AdministrationConfig config) {
  std::unique_ptr<Administration> out(new Administration);
  out->desk_ = std::make_unique<Desk>(broker, std::move(config.desk));
  out->routes_ = std::make_unique<Routes>(*out->desk_);
  out->desk_->add_listener({"amqp", broker.address()});
  if (config.management) {
    auto server =
        HttpServer::listen(*config.management, management_threads,
                           [out = out.get()](const HttpRequest& request) { return out->routes_->answer(request); });
    if (!server) return fail("management: " + server.error().message);
    out->management_ = std::move(*server);
  }
  if (config.metrics) {
    auto server = HttpServer::listen(
        *config.metrics, metrics_threads,
        [desk = out->desk_.get()](const HttpRequest& request) { return answer_metrics(*desk, request); });
    if (!server) return fail("metrics: " + server.error().message);
    out->metrics_ = std::move(*server);
  }
  if (const auto at = out->management()) out->desk_->add_listener({"http", *at});
  if (const auto at = out->metrics()) out->desk_->add_listener({"http/prometheus", *at});
  if (out->management_) out->desk_->sampler().start();
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
  management_.reset();
  metrics_.reset();
}

std::optional<net::Address> Administration::management() const {
  return management_ ? std::optional(management_->address()) : std::nullopt;
}
std::optional<net::Address> Administration::metrics() const {
  return metrics_ ? std::optional(metrics_->address()) : std::nullopt;
}

bool Administration::ask(const Table& request, Done done) {
  const std::string* name = request.string("verb");
  if (name == nullptr || !is_verb(*name)) return false;
  std::lock_guard lock(mutex_);
  waiting_.emplace_back([this, request, done = std::move(done)] { done(run_verb(*desk_, request)); });
  changed_.notify_all();
  return true;
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

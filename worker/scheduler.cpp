#include "wherry/scheduler.h"

#include <memory>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "net/event_loop.h"
#include "sdk/client/configure.h"
#include "wherry/error.h"
#include "worker/schedule/runner.h"

namespace wherry {

namespace {

schedule::Settings load_or_throw(const std::string& file) {
  auto settings = schedule::load_schedule(file);
  if (!settings) throw ClientError(Errc::invalid_argument, settings.error().message);
  return *std::move(settings);
}

sdk::AppSettings app_at(const std::string& url) {
  sdk::AppSettings app;
  app.broker_url = url;
  return app;
}

Serializer serializer_of(const sdk::AppSettings& app) {
  return app.serializer == sdk::BodyFormat::json ? Serializer::json : Serializer::msgpack;
}

sdk::Router router_of(sdk::AppSettings app) {
  const auto shared = std::make_shared<const sdk::AppSettings>(std::move(app));
  return sdk::configured_router(shared, shared->default_queue);
}

std::string scheduler_name() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("scheduler@{}", host);
}

}  // namespace

class Scheduler::Impl {
 public:
  Impl(schedule::Settings settings, sdk::AppSettings app, SchedulerOptions options) {
    schedule::RunnerConfig config;
    config.settings = std::move(settings);
    config.serializer = serializer_of(app);
    config.link.name = options.name.empty() ? scheduler_name() : options.name;
    config.link.quorum_queues = app.quorum_queues;
    config.remote_control = options.remote_control;
    if (!app.broker_url.empty()) {
      auto endpoints = sdk::parse_endpoints(app.broker_url);
      if (!endpoints) {
        const std::string place = app.broker_place.empty() ? "" : app.broker_place + ": ";
        throw ClientError(Errc::invalid_argument, place + endpoints.error().message);
      }
      config.link.endpoints = *std::move(endpoints);
    }
    broker_url_ = app.broker_url;
    config.router = router_of(std::move(app));
    runner_ =
        std::make_unique<schedule::ScheduleRunner>(loop_, std::move(config),
                                                   schedule::RunnerEvents{.on_ready = std::move(options.on_ready),
                                                                          .on_active = std::move(options.on_active),
                                                                          .on_refused = std::move(options.on_refused)});
    runner_->start();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Impl() {
    WHERRY_ASSERT(std::this_thread::get_id() != thread_.get_id());
    stop();
  }

  void reload(schedule::Settings settings, sdk::AppSettings app) {
    if (app.broker_url != broker_url_) {
      log::warning("schedule", "'broker' has changed, which takes a restart: it stays as it was");
    }
    struct New {
      schedule::Settings settings;
      Serializer serializer;
      sdk::Router router;
    };
    const Serializer serializer = serializer_of(app);
    // Shared: std::function copies what it holds.
    auto fresh = std::make_shared<New>(New{std::move(settings), serializer, router_of(std::move(app))});
    loop_.post([this, fresh] {
      if (runner_) runner_->reload(std::move(fresh->settings), std::move(fresh->router), fresh->serializer);
    });
  }

  void stop() {
    if (!thread_.joinable()) return;
    loop_.post([this] { runner_->stop([this] { loop_.stop(); }); });
    thread_.join();
    runner_.reset();
  }

 private:
  std::string broker_url_;
  net::EventLoop loop_;
  std::unique_ptr<schedule::ScheduleRunner> runner_;
  std::thread thread_;
};

Scheduler::Scheduler(const std::string& file, const std::string& url, SchedulerOptions options)
    : Scheduler(load_or_throw(file), app_at(url), std::move(options)) {}
Scheduler::Scheduler(schedule::Settings settings, sdk::AppSettings app, SchedulerOptions options)
    : impl_(std::make_unique<Impl>(std::move(settings), std::move(app), std::move(options))) {}
Scheduler::Scheduler(Scheduler&&) noexcept = default;
Scheduler::~Scheduler() = default;

void Scheduler::reload(schedule::Settings settings, sdk::AppSettings app) {
  impl_->reload(std::move(settings), std::move(app));
}
void Scheduler::stop() {
  impl_->stop();
}

}  // namespace wherry

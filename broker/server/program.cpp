#include "broker/server/program.h"

#include <csignal>
#include <cstdio>
#include <optional>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "broker/server/server.h"
#include "broker/server/shard_pulse.h"
#include "broker/server/wiring.h"
#include "net/event_loop.h"
#include "net/watchdog.h"

namespace wherry::broker {

namespace {

// A broker's limit is its connections: take what the system allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int could_not_start(const Error& error) {
  log::error("broker", "cannot start: {}", error.message);
  return 1;
}

// What the main thread waits for: a signal, or that the disk failed. Meanwhile its loop serves the operator: requests
// on the control socket, and SIGHUP.
class StopWait {
 public:
  net::EventLoop& loop() { return loop_; }
  void on_hang_up(std::function<void()> hung_up) { hung_up_ = std::move(hung_up); }
  // Threads: any.
  void fail(std::string why) {
    loop_.post([this, why = std::move(why)] {
      failure_ = why;
      loop_.stop();
    });
  }
  void wait() { loop_.run(); }
  int signal() const { return signal_; }
  const std::string& failure() const { return failure_; }

 private:
  net::EventLoop loop_;
  int signal_ = 0;
  std::string failure_;
  std::function<void()> hung_up_;
  net::SignalWatch watch_{loop_, {SIGTERM, SIGINT, SIGHUP}, [this](int number) {
                            if (number == SIGHUP) {
                              if (hung_up_) hung_up_();
                              return;
                            }
                            signal_ = number;
                            loop_.stop();
                          }};
};

void read_certificates_again(const net::TlsContextRef& tls) {
  if (!tls) return;
  if (auto read = tls->reload(); !read) {
    return log::error("broker", "the certificates were read again and cannot be used, nothing was changed: {}",
                      read.error().message);
  }
  log::info("broker", "read the certificates again: they count for the connections that come from now on");
}

void read_configuration_again(const Options& options, Broker& broker) {
  auto settings = read_settings_again(options);
  if (!settings) {
    return log::error("broker", "the configuration was read again and is wrong, nothing was changed: {}",
                      settings.error().message);
  }
  broker.settings().configure(std::move(*settings));
  log::info("broker", "read the configuration again: policies and limits are as it says");
}

}  // namespace

int run_program(const Options& options) {
  // Blocked from the start for the threads to come; the loop below is the one that hears of them.
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  auto plan = make_plan(options);
  if (!plan) return could_not_start(plan.error());
  log::set_level(plan->log_level);
  log::set_format(plan->log_format);

  StopWait stop;
  auto started = Server::start(
      std::move(*plan), {.loop = stop.loop(), .on_failure = [&stop](std::string why) { stop.fail(std::move(why)); }});
  if (!started) return could_not_start(started.error());
  Server& server = **started;
  const ServiceManager manager = ServiceManager::from_environment();
  const std::string status = fmt::format("serves AMQP on {}", server.address().text());
  stop.on_hang_up([&options, &server, &manager, &status] {
    manager.reloading();
    read_configuration_again(options, server.broker());
    read_certificates_again(server.broker().shared().config().tls);
    manager.ready(status);
  });
  ShardPulse pulse(server.broker().shared());
  std::optional<net::Watchdog> watchdog(std::in_place, stop.loop(), manager, [&pulse] { return pulse.look(); });
  std::string listeners;
  for (const auto& [name, protocol] :
       {std::pair("amqps", "amqp/ssl"), std::pair("management", "http"), std::pair("management_https", "https"),
        std::pair("metrics", "http/prometheus"), std::pair("metrics_https", "https/prometheus")}) {
    if (const auto at = server.listener(protocol)) listeners += fmt::format(" {}={}", name, at->text());
  }
  std::printf("wherry-broker ready amqp=%s data=%s shards=%u pid=%d%s\n", server.address().text().c_str(),
              server.data_dir().c_str(), server.shards(), ::getpid(), listeners.c_str());
  std::fflush(stdout);
  manager.ready(status);
  log::info("broker", "ready on {}, {} shard(s), data in {}", server.address().text(), server.shards(),
            server.data_dir().string());

  stop.wait();
  manager.stopping(stop.failure().empty() ? "telling clients" : "the disk failed: " + stop.failure());
  watchdog.reset();
  // A second signal is for those who cannot wait.
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  if (!stop.failure().empty()) {
    // What was confirmed is on the disk; what was not is for its publisher to send again. Trying the sync again would
    // prove nothing.
    log::error("broker",
               "stopping, the disk failed: {}. Nothing was confirmed since. Look after the disk, then start again",
               stop.failure());
    server.stop("disk failure");
    return 1;
  }
  log::info("broker", "stopping on {}", stop.signal() == SIGINT ? "SIGINT" : "SIGTERM");
  server.stop();
  log::info("broker", "stopped");
  return 0;
}

}  // namespace wherry::broker

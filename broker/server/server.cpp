#include "broker/server/server.h"

#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/server/data_dir.h"
#include "broker/server/wiring.h"
#include "broker/shard/broker.h"
#include "net/event_loop.h"

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

int wait_for_stop() {
  net::EventLoop loop;
  int signal = 0;
  net::SignalWatch watch(loop, {SIGTERM, SIGINT}, [&](int number) {
    signal = number;
    loop.stop();
  });
  loop.run();
  return signal;
}

}  // namespace

int run_server(const Options& options) {
  // Blocked from the start for the threads to come; the loop below is the one that hears of them.
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  auto plan = make_plan(options);
  if (!plan) return could_not_start(plan.error());
  log::set_level(plan->log_level);
  auto data = DataDir::open(plan->data_dir);
  if (!data) return could_not_start(data.error());

  Broker broker(std::move(plan->broker));
  if (auto started = broker.start(plan->amqp); !started) return could_not_start(started.error());
  std::printf("wherry-broker ready amqp=%s data=%s shards=%u pid=%d\n", broker.address().text().c_str(),
              (*data)->path().c_str(), plan->shards, ::getpid());
  std::fflush(stdout);
  log::info("broker", "ready on {}, {} shard(s), data in {}", broker.address().text(), plan->shards,
            (*data)->path().string());

  const int signal = wait_for_stop();
  // A second signal is for those who cannot wait.
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  log::info("broker", "stopping on {}", signal == SIGINT ? "SIGINT" : "SIGTERM");
  broker.stop();
  log::info("broker", "stopped");
  return 0;
}

}  // namespace wherry::broker

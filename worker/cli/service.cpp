#include "worker/cli/service.h"

#include <csignal>
#include <cstdio>
#include <utility>

#include <unistd.h>

namespace wherry::worker {

Service::Service(net::EventLoop& loop, std::function<void()> reload)
    : loop_(loop),
      reload_(std::move(reload)),
      signals_(loop, {SIGTERM, SIGINT, SIGQUIT, SIGHUP}, [this](int number) { on_signal(number); }) {}

void Service::ready(const std::string& line, const std::string& status) {
  std::printf("wherry-worker ready %s pid=%d\n", line.c_str(), ::getpid());
  std::fflush(stdout);
  ready_ = true;
  manager_.ready(status);
}

void Service::on_signal(int number) {
  if (number != SIGHUP) {
    manager_.stopping("stopping");
    return loop_.stop();
  }
  // What is not ready yet does not become so by reading.
  if (ready_) manager_.reloading();
  reload_();
  if (ready_) manager_.ready("the settings were read again");
}

}  // namespace wherry::worker

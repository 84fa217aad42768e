#include "sdk/endpoint/local_broker.h"

#include <atomic>

#include <fmt/format.h>

#include "base/uuid.h"

namespace wherry::sdk {

namespace {
std::atomic<OpenLocalBroker> open_broker{nullptr};
}

const std::string& local_password() {
  static const std::string password = random_name(32);
  return password;
}

void set_local_brokers(OpenLocalBroker open) {
  open_broker = open;
}

Result<std::shared_ptr<LocalBroker>> open_local_broker(const std::string& url) {
  if (const OpenLocalBroker open = open_broker) return open(url);
  return fail(fmt::format(
      "broker URL: {} means a broker in this program, and there is none: link the library wherry-embedded, or "
      "give the URL of a broker, amqp://...",
      url));
}

Result<LocalBrokers> open_local_brokers(const std::vector<Endpoint>& endpoints) {
  LocalBrokers brokers;
  for (const Endpoint& each : endpoints) {
    if (each.embedded.empty()) continue;
    auto opened = open_local_broker(each.embedded);
    if (!opened) return tl::unexpected(opened.error());
    brokers.push_back(std::move(*opened));
  }
  return brokers;
}

}  // namespace wherry::sdk

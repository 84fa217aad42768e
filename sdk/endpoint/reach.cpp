#include "sdk/endpoint/reach.h"

#include <algorithm>
#include <utility>

namespace wherry::sdk {

Result<std::unique_ptr<net::Connecting>> reach(net::EventLoop& loop, const Endpoint& to,
                                               std::chrono::milliseconds timeout,
                                               std::function<void(Result<std::unique_ptr<net::Stream>>)> done) {
  if (!to.tls) return net::connect(loop, to.address, timeout, std::move(done));
  auto context = net::TlsContext::client(*to.tls);
  if (!context) return fail(to.address.text() + ": " + context.error().message);
  return net::connect_tls(loop, to.address, *context, to.server_name, timeout, std::move(done));
}

amqp::ClientConfig client_config(const Endpoint& to, const std::string& name) {
  amqp::Table capabilities;
  for (const char* each : {"publisher_confirms", "consumer_cancel_notify", "connection.blocked",
                           "authentication_failure_close", "basic.nack", "exchange_exchange_bindings"}) {
    capabilities.set(each, true);
  }
  amqp::ClientConfig config;
  config.properties.set("product", std::string("Wherry"));
  config.properties.set("platform", std::string("C++"));
  config.properties.set("connection_name", name);
  config.properties.set("capabilities", std::move(capabilities));
  config.response = std::string(1, '\0') + to.user + std::string(1, '\0') + to.password;
  if (to.external) {
    config.mechanism = "EXTERNAL";
    config.response.clear();
  }
  config.virtual_host = to.virtual_host;
  config.tuning.heartbeat_s = static_cast<std::uint16_t>(std::clamp<long>(to.heartbeat.count(), 0, 65'535));
  config.handshake_timeout = to.connection_timeout;
  return config;
}

}  // namespace wherry::sdk

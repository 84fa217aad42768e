// Administration: everything that lets operators at a running broker, put together: the desk, the management API and
// the metrics with their listeners, and a thread on which the control socket's verbs are done.
//
//   auto administration = Administration::start(broker, bridges, config);
//   administration->ask(request, [](Outcome<FieldValue> answer) { ... });      // a verb of the control socket
//
// Errors of start() name the address that cannot be had. Threads: start() and the destructor one at a time;
// ask() any. Lifetime: broker and bridges outlive it; it goes before the broker stops, and waits for requests under
// way.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "broker/admin/routes.h"
#include "net/http_server.h"

namespace wherry::broker::admin {

struct AdministrationConfig {
  DeskConfig desk;
  std::optional<net::Address> management;  // Nothing: no management API; so for the others.
  std::optional<net::Address> management_https;
  std::optional<net::Address> metrics;
  std::optional<net::Address> metrics_https;
  bool console = true;   // The web console, on the management API's listeners.
  net::HttpLimits http;  // Of each of them; the metrics take no body.
};

class Administration {
 public:
  static Result<std::unique_ptr<Administration>> start(Broker& broker, bridges::Bridges& bridges,
                                                       AdministrationConfig config);
  ~Administration();

  // Where somebody listens, with the port that was picked: "http" and "https" is the management API, "http/prometheus"
  // and "https/prometheus" the metrics.
  std::optional<net::Address> listener(std::string_view protocol) const;
  Desk& desk() { return *desk_; }

  // A request of the control socket. The answer comes on a thread of this object's, one after the other.
  using Done = std::function<void(Outcome<FieldValue> answer)>;
  void ask(const Table& request, Done done);

 private:
  Administration() = default;
  void work();

  std::unique_ptr<Desk> desk_;
  std::unique_ptr<Routes> routes_;
  std::vector<std::unique_ptr<net::HttpServer>> servers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace wherry::broker::admin

// Administration: everything that lets operators at a running broker, put together: the desk, the management API and
// the metrics with their listeners, and a thread on which the control socket's verbs are done.
//
//   auto administration = Administration::start(broker, config);
//   administration->ask(request, [](Outcome<FieldValue> answer) { ... });      // a verb of the control socket
//
// Errors of start() name the address that cannot be had. Threads: start() and the destructor one at a time;
// ask() any. Lifetime: the broker outlives it; it goes before the broker stops, and waits for requests under way.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "broker/admin/http_server.h"

namespace wherry::broker::admin {

struct AdministrationConfig {
  DeskConfig desk;
  std::optional<net::Address> management;  // Nothing: no management API.
  std::optional<net::Address> metrics;
};

class Administration {
 public:
  static Result<std::unique_ptr<Administration>> start(Broker& broker, AdministrationConfig config);
  ~Administration();

  // Where they listen, with the ports that were picked.
  std::optional<net::Address> management() const;
  std::optional<net::Address> metrics() const;
  Desk& desk() { return *desk_; }

  // A verb of the control socket; false: there is no such verb. The answer comes on a thread of this object's.
  using Done = std::function<void(Outcome<FieldValue> answer)>;
  bool ask(const Table& request, Done done);

 private:
  Administration() = default;
  void work();

  std::unique_ptr<Desk> desk_;
  std::unique_ptr<Routes> routes_;
  std::unique_ptr<HttpServer> management_;
  std::unique_ptr<HttpServer> metrics_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace wherry::broker::admin

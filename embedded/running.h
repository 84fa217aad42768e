// Running: one broker of this process, with the thread that serves its operator.
//
// Threads: any. Lifetime: the destructor stops it, and waits. on_failure may be called until then.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "broker/server/server.h"
#include "net/event_loop.h"
#include "wherry/embedded.h"

namespace wherry::embedded {

class Running {
 public:
  // Errors: as Server::start().
  static Result<std::unique_ptr<Running>> start(const EmbeddedOptions& options);
  ~Running();

  // A connected socket, the caller's; the broker has the other end. Errors: the system gives no more.
  Result<int> connect();
  net::Address address() const { return server_->address(); }
  broker::Broker& broker() { return server_->broker(); }

 private:
  Running() = default;

  net::EventLoop loop_;
  std::unique_ptr<broker::Server> server_;
  std::thread thread_;
};

}  // namespace wherry::embedded

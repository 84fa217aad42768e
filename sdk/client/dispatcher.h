// Dispatcher: sends the tasks of a plan over a link: declares their queues where they are missing, publishes, and says
// when the broker has all of them.
//
// Threads: the loop's. Lifetime: the link may go before it, but not begin after it: what still waits is then reported
// as closed, and the dispatcher must live until the link is destroyed.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "protocol/task/plan.h"
#include "sdk/client/encode.h"
#include "sdk/client/routes.h"
#include "sdk/link/link.h"

namespace wherry::sdk {

class Dispatcher {
 public:
  Dispatcher(Link& link, Router router) : link_(link), router_(std::move(router)) {}

  // For what is encoded from now on.
  void set_router(Router router) { router_ = std::move(router); }

  // Errors: a task that cannot be written.
  Result<std::vector<Outgoing>> encode(std::vector<task::PlannedTask> tasks, WallTime now) const;
  // done: once, when all are confirmed or the first was not (after all reports are in). At least once: after a failure
  // some of them may have been sent.
  void send(std::vector<Outgoing> all, Monotonic deadline, Done done);

 private:
  struct Batch;
  void send_one(Outgoing out, const std::shared_ptr<Batch>& batch);
  void publish(Outgoing out, const std::shared_ptr<Batch>& batch);

  Link& link_;
  Router router_;
  std::set<std::string> prepared_;  // Queues and exchanges that were declared already.
};

}  // namespace wherry::sdk

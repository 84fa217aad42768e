#include "sdk/client/dispatcher.h"

#include <utility>

#include "base/log.h"

namespace wherry::sdk {

struct Dispatcher::Batch {
  std::size_t open = 0;
  Report report = {};
  Done done;

  void reported(const Report& each) {
    if (report.ok() && !each.ok()) report = each;
    if (--open == 0) done(report);
  }
};

Result<std::vector<Outgoing>> Dispatcher::encode(std::vector<task::PlannedTask> tasks, WallTime now) const {
  std::vector<Outgoing> all;
  all.reserve(tasks.size());
  for (task::PlannedTask& each : tasks) {
    auto out = encode_planned(std::move(each), router_, now);
    if (!out) return tl::unexpected(std::move(out.error()));
    all.push_back(std::move(*out));
  }
  return all;
}

void Dispatcher::send(std::vector<Outgoing> all, Monotonic deadline, Done done) {
  auto batch = std::make_shared<Batch>();
  batch->open = all.size() + 1;  // And this function.
  batch->done = std::move(done);
  for (Outgoing& each : all) {
    each.message.deadline = deadline;
    send_one(std::move(each), batch);
  }
  batch->reported({});
}

void Dispatcher::send_one(Outgoing out, const std::shared_ptr<Batch>& batch) {
  const std::string key = out.queue.empty() ? "exchange " + out.message.exchange : "queue " + out.queue;
  if (!out.topology || prepared_.contains(key)) return publish(std::move(out), batch);
  auto shared = std::make_shared<Outgoing>(std::move(out));
  link_.declare(
      *shared->topology,
      [this, shared, key, batch](const Report& report) {
        // A queue that is there with other arguments, or that we may not declare, may well take the message:
        // mandatory tells.
        if (report.outcome == Outcome::refused) {
          log::warning("sdk", "{} is used as it is: {}", key, report.text);
        } else if (!report.ok()) {
          return batch->reported(report);
        }
        prepared_.insert(key);
        publish(std::move(*shared), batch);
      },
      shared->message.deadline);
}

void Dispatcher::publish(Outgoing out, const std::shared_ptr<Batch>& batch) {
  auto reported = [batch](const Report& report) { batch->reported(report); };
  if (out.delay.count() > 0 && !out.queue.empty()) {
    link_.publish_delayed(std::move(out.message), std::move(out.queue), out.delay, std::move(reported));
  } else {
    link_.publish(std::move(out.message), std::move(reported));
  }
}

}  // namespace wherry::sdk

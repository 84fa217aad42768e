// RemoteControl: asks workers, as `celery inspect` and `celery control` do, by the exchange they listen to.
//
//   auto answers = control.ask("/", {.method = "ping"}, [](const Answers& so_far) { return so_far.size() == 2; });
//
// Answers need no queue: they are heard as they are published (broker/session/tap.h), under a key that nobody else
// knows. At most most_answers of them are taken for one question, of at most most_bytes.
// Errors: what a client would be refused with that publishes the command; no exchange, so no worker, is no answer.
// Threads: any but a shard's; ask() blocks. Lifetime: the broker outlives it. Format: docs/control.md.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "broker/admin/answer.h"
#include "broker/shard/broker.h"
#include "protocol/task/value.h"

namespace wherry::broker::admin {

struct WorkerCommand {
  std::string method = {};
  task::Value::Map arguments = {};
  std::string worker = {};   // Empty: every one that the pattern fits.
  std::string pattern = {};  // As a shell has them; empty: every one.
};
using WorkerAnswers = std::map<std::string, task::Value>;  // By who answered.

class RemoteControl {
 public:
  static constexpr std::size_t most_answers = 1'000;
  static constexpr std::size_t most_bytes = 8u << 20;
  static constexpr std::chrono::milliseconds patience{2'000};

  explicit RemoteControl(Shared& shared);
  ~RemoteControl();

  // Waits until enough(answers), for `patience` at most. quiet: when somebody has answered, it is also enough that
  // nobody has for so long.
  using Enough = std::function<bool(const WorkerAnswers& so_far)>;
  Outcome<WorkerAnswers> ask(const std::string& vhost, const WorkerCommand& command, const Enough& enough,
                             std::chrono::milliseconds quiet = patience);
  // Nobody answers.
  Outcome<void> tell(const std::string& vhost, const WorkerCommand& command);

 private:
  struct Question;
  void hear(const std::string& vhost, const MessageRef& message);
  Outcome<void> publish(const std::string& vhost, const WorkerCommand& command, const std::string& key);

  Shared& shared_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Question>, std::less<>> open_;  // By the key of its answers.
};

}  // namespace wherry::broker::admin

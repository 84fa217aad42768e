// Control: a worker's ear and voice among other workers and tools: Celery's remote control and events.
//
// It consumes the worker's command queue, has the panel do what is asked and sends the answers. On each connection it
// asks the other workers what tasks are revoked (Celery's mingle); the deliveries of the worker's first moments wait
// for their answers: until peers_answer after its own question came back to it, which shows that the question has been
// given to every worker there is, and at most mingle_timeout. Where the broker does not allow it (no permission to
// declare its exchanges), the worker does without, and says so.
//
// Threads: one at a time; the loop's. Lifetime: loop, link and worker outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/event_loop.h"
#include "sdk/link/link.h"
#include "worker/control/panel.h"
#include "worker/mailbox/mailbox.h"

namespace wherry::worker {

class Control {
 public:
  static constexpr std::chrono::milliseconds peers_answer{200};
  static constexpr std::chrono::milliseconds mingle_timeout{2'000};

  // on_mingled: deliveries may be run; once.
  Control(net::EventLoop& loop, sdk::Link& link, Steering& worker, std::function<void()> on_mingled);
  ~Control();

  // Declares and consumes. Before the link is started.
  void start();
  void on_up();
  // Says goodbye, and hears no more commands.
  void stop();

  bool mingled() const { return mingled_; }
  bool is_revoked(const task::Task& task) const { return panel_.is_revoked(task); }
  Events& events() { return events_; }

 private:
  void on_message(const sdk::Delivery& delivery);
  void on_command(const sdk::Delivery& delivery);
  void on_answer(const sdk::Delivery& delivery);
  void ask_peers();
  void done_mingling();

  sdk::Link& link_;
  Steering& worker_;
  std::function<void()> on_mingled_;
  const std::string unique_;
  Clock clock_;
  Revoked revoked_;
  Events events_;
  Panel panel_;
  sdk::SubscriptionId subscription_ = 0;
  std::string ticket_;  // Of the question that is under way.
  bool namesake_ = false;
  bool mingled_ = false;
  bool stopped_ = false;
  net::Timer mingle_timer_;
  const std::shared_ptr<Control*> self_;  // Null inside once this has gone: for what the link reports later.
};

}  // namespace wherry::worker

#include "worker/runtime/attempt.h"

namespace wherry::worker {

Attempt::Attempt(net::EventLoop& loop, sdk::Delivery delivery, task::Task task, Report report)
    : loop_(loop), delivery_(std::move(delivery)), task_(std::move(task)), report_(std::move(report)) {}

void Attempt::limit(std::chrono::milliseconds soft_time_limit) {
  deadline_ = std::chrono::steady_clock::now() + soft_time_limit;
  limit_timer_ = std::make_unique<net::Timer>(loop_);
  limit_timer_->set(*deadline_, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->request_stop();
  });
}

void Attempt::report(task::Value meta) {
  loop_.post([self = shared_from_this(), meta = std::move(meta)]() mutable {
    if (!self->settled) self->report_(*self, std::move(meta));
  });
}

Pending<> Attempt::sleep(std::chrono::milliseconds duration) {
  // Woken by whichever comes first, the timer or the stop; both on the loop, so that one of them finds it done.
  struct Sleeping {
    std::shared_ptr<detail::Shared<void>> shared = std::make_shared<detail::Shared<void>>();
    std::unique_ptr<net::Timer> timer;
    std::unique_ptr<std::stop_callback<std::function<void()>>> on_stop;
    bool over = false;
    void wake() {
      if (std::exchange(over, true)) return;
      timer.reset();
      shared->settle({});
    }
  };
  auto sleeping = std::make_shared<Sleeping>();
  Pending<> pending(sleeping->shared);
  loop_.post([self = shared_from_this(), sleeping, duration] {
    sleeping->timer = std::make_unique<net::Timer>(self->loop_);
    sleeping->timer->set(duration, [sleeping] {
      sleeping->on_stop.reset();
      sleeping->wake();
    });
    sleeping->on_stop = std::make_unique<std::stop_callback<std::function<void()>>>(
        self->stop_token(), [weak = std::weak_ptr(sleeping), &loop = self->loop_] {
          loop.post([weak] {
            if (auto woken = weak.lock()) woken->wake();
          });
        });
  });
  return pending;
}

}  // namespace wherry::worker

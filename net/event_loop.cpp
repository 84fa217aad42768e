#include "net/event_loop.h"

#include "net/loop_impl.h"

namespace wherry::net {

namespace asio = boost::asio;

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::Impl::end_turn() {
  // By index: a hook may add a hook.
  for (std::size_t i = 0; i < hooks.size(); ++i) hooks[i]();
  // Flushing may lose a stream, whose handler may write to others: those are flushed in the same turn.
  while (!dirty.empty()) {
    std::vector<std::shared_ptr<Flushable>> batch;
    batch.swap(dirty);
    for (auto& stream : batch) stream->flush();
  }
}

void EventLoop::run() {
  // Enough that a busy turn is worth its writes, few enough that nobody waits long for an answer.
  constexpr int handlers_per_turn = 128;
  impl_->thread = std::this_thread::get_id();
  while (!impl_->stopping.load(std::memory_order_acquire)) {
    impl_->io.run_one();
    impl_->turn_began = std::chrono::steady_clock::now();
    for (int i = 1; i < handlers_per_turn && impl_->io.poll_one() > 0; ++i) {
    }
    impl_->end_turn();
  }
  impl_->stopping = false;
}

void EventLoop::stop() {
  impl_->stopping.store(true, std::memory_order_release);
  asio::post(impl_->io, [] {});
}

void EventLoop::post(std::function<void()> work) {
  asio::post(impl_->io, std::move(work));
}
void EventLoop::at_turn_end(std::function<void()> hook) {
  impl_->hooks.push_back(std::move(hook));
}
Monotonic EventLoop::now() const {
  return impl_->turn_began;
}
bool EventLoop::on_loop_thread() const {
  return impl_->thread == std::this_thread::get_id();
}

// --- Timer -----------------------------------------------------------------------------------------------------------

struct Timer::Impl {
  explicit Impl(EventLoop::Impl& loop) : timer(loop.io) {}
  asio::steady_timer timer;
  std::uint64_t generation = 0;  // A cancelled wait may already be queued with success: it must not fire.
};

Timer::Timer(EventLoop& loop) : impl_(std::make_shared<Impl>(loop.impl())) {}
Timer::~Timer() {
  cancel();
}

void Timer::set(Monotonic when, std::function<void()> fire) {
  const auto generation = ++impl_->generation;
  impl_->timer.expires_at(when);
  impl_->timer.async_wait([impl = impl_, generation, fire = std::move(fire)](const boost::system::error_code& error) {
    if (!error && impl->generation == generation) fire();
  });
}

void Timer::set(std::chrono::milliseconds after, std::function<void()> fire) {
  set(std::chrono::steady_clock::now() + after, std::move(fire));
}

void Timer::cancel() {
  ++impl_->generation;
  impl_->timer.cancel();
}

// --- SignalWatch -----------------------------------------------------------------------------------------------------

struct SignalWatch::Impl : std::enable_shared_from_this<SignalWatch::Impl> {
  explicit Impl(EventLoop::Impl& loop) : signals(loop.io) {}
  asio::signal_set signals;
  std::function<void(int)> handler;

  void wait() {
    signals.async_wait([self = shared_from_this()](const boost::system::error_code& error, int number) {
      if (error) return;
      if (self->handler) self->handler(number);
      self->wait();
    });
  }
};

SignalWatch::SignalWatch(EventLoop& loop, std::initializer_list<int> signals, std::function<void(int)> handler)
    : impl_(std::make_shared<Impl>(loop.impl())) {
  for (int number : signals) impl_->signals.add(number);
  impl_->handler = std::move(handler);
  impl_->wait();
}

SignalWatch::~SignalWatch() {
  impl_->handler = nullptr;
  boost::system::error_code ignored;
  impl_->signals.cancel(ignored);
}

}  // namespace wherry::net

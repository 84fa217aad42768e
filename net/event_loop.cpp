#include "net/event_loop.h"

#include <algorithm>
#include <utility>

#include "net/loop_impl.h"

namespace wherry::net {

namespace asio = boost::asio;

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {
  impl_->clock = std::make_unique<WallClockListener>([this] { asio::post(impl_->io, [this] { wall_clock_moved(); }); });
}
EventLoop::~EventLoop() {
  impl_->clock.reset();
}

void EventLoop::wall_clock_moved() {
  impl_->wall_now.reset();
  for (WallTimer* each : impl_->wall_timers) each->arm();
}

void EventLoop::Impl::end_turn() {
  // By index: a hook may add a hook.
  for (std::size_t i = 0; i < hooks.size(); ++i) hooks[i]();
  // Flushing may lose a stream, whose handler may write to others, and so may what comes after: all of that is flushed
  // in the same turn, or it would wait for whatever comes next.
  while (!dirty.empty() || !after.empty()) {
    while (!dirty.empty()) {
      std::vector<std::shared_ptr<Flushable>> batch;
      batch.swap(dirty);
      for (auto& stream : batch) stream->flush();
    }
    for (auto& work : std::exchange(after, {})) work();
  }
  // Only now: what a socket brought has been passed on before the same socket is read again, so a fast sender cannot
  // pile up what others could have been given.
  std::vector<std::shared_ptr<Flushable>> batch;
  batch.swap(read);
  for (auto& stream : batch) stream->read_next_turn();
}

void EventLoop::run() {
  // Enough that a busy turn is worth its writes, few enough that nobody waits long for an answer.
  constexpr int handlers_per_turn = 128;
  impl_->thread = std::this_thread::get_id();
  while (!impl_->stopping.load(std::memory_order_acquire)) {
    impl_->now.reset();
    impl_->wall_now.reset();
    impl_->io.run_one();
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
void EventLoop::after_turn(std::function<void()> work) {
  impl_->after.push_back(std::move(work));
}
Monotonic EventLoop::now() const {
  if (!impl_->now) impl_->now = std::chrono::steady_clock::now();
  return *impl_->now;
}
WallTime EventLoop::wall_now() const {
  if (!impl_->wall_now) impl_->wall_now = wherry::wall_now();
  return *impl_->wall_now;
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

// --- WallTimer -------------------------------------------------------------------------------------------------------

WallTimer::WallTimer(EventLoop& loop) : loop_(loop), timer_(loop) {
  loop.impl().wall_timers.insert(this);
}
WallTimer::~WallTimer() {
  loop_.impl().wall_timers.erase(this);
}

void WallTimer::set(WallTime when, std::function<void()> fire) {
  when_ = when;
  fire_ = std::move(fire);
  arm();
}

void WallTimer::cancel() {
  fire_ = nullptr;
  timer_.cancel();
}

// Never fires in here: whoever sets it is in the middle of something.
void WallTimer::arm() {
  if (!fire_) return;
  const WallTime now = loop_.wall_now();
  if (when_ > now && wall_clock_is_set()) return timer_.cancel();
  // However far it is: a steady clock that counts nanoseconds has room for three hundred years.
  const auto wait = std::min(until(when_, now), std::chrono::milliseconds(std::chrono::hours(24 * 365)));
  timer_.set(wait, [this] {
    if (when_ > loop_.wall_now()) return arm();
    const auto fire = std::exchange(fire_, nullptr);
    fire();
  });
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

SignalWatch::SignalWatch(EventLoop& loop, const std::vector<int>& signals, std::function<void(int)> handler)
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

#include "sdk/link/link.h"

#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <variant>

#include "net/stream.h"
#include "sdk/endpoint/local_broker.h"
#include "sdk/endpoint/reach.h"
#include "sdk/link/session.h"

namespace wherry::sdk {

namespace {

double random_fraction() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

}  // namespace

// The driver: a loop, a socket and a timer for a Session. Handlers hold it weakly, so none runs after the Link is gone.
struct Link::Impl final : SessionHost, net::StreamHandler, std::enable_shared_from_this<Link::Impl> {
  Impl(net::EventLoop& on, LinkConfig with, LinkEvents events)
      : loop(on), config(with), session(*this, std::move(with), std::move(events), random_fraction), timer(on) {}

  // --- SessionHost ---
  Monotonic now() const override { return std::chrono::steady_clock::now(); }

  void connect(const Endpoint& to, std::chrono::milliseconds timeout) override {
    if (!to.embedded.empty()) return connect_locally(to.embedded);
    auto done = [weak = weak_from_this()](Result<std::unique_ptr<net::Stream>> result) {
      if (auto self = weak.lock()) self->attempted(std::move(result));
    };
    auto reached = reach(loop, to, timeout, std::move(done));
    if (!reached) return post([why = reached.error().message](Impl& impl) { impl.attempted(fail(why)); });
    connecting = std::move(*reached);
  }

  // The broker is opened once: it is the same one, running again or not, that this link comes back to.
  void connect_locally(const std::string& url) {
    std::shared_ptr<LocalBroker>& broker = brokers[url];
    auto result = std::make_shared<Result<std::unique_ptr<net::Stream>>>(fail(url));
    auto opened = broker ? Result<std::shared_ptr<LocalBroker>>(broker) : open_local_broker(url);
    if (!opened) {
      *result = tl::unexpected(opened.error());
    } else if (auto socket = (broker = *opened)->connect(); socket) {
      *result = net::adopt(loop, *socket);
    } else {
      *result = tl::unexpected(socket.error());
    }
    loop.post([weak = weak_from_this(), result, attempt = ++local_attempt] {
      auto self = weak.lock();
      if (self && self->local_attempt == attempt) self->attempted(std::move(*result));
    });
  }

  void disconnect() override {
    ++local_attempt;
    connecting.reset();
    if (!stream) return;
    stream->close_after_flush();
    stream.reset();  // What is left to write goes out without it.
  }

  void probe(const Endpoint& at, Topology what, Done done) override {
    LinkConfig other = config;
    other.endpoints = {at};
    other.name += " probe";
    other.log_connection = false;
    const auto id = next_probe++;
    const std::chrono::seconds patience(what.size() > 1 ? 30 : 5);
    auto link = std::make_unique<Link>(loop, std::move(other));
    link->declare(
        std::move(what),
        [weak = weak_from_this(), id, done = std::move(done)](const Report& report) {
          auto self = weak.lock();
          if (!self) return;
          // Not from inside of the other link: it is destroyed here.
          self->post([id, done, report](Impl& impl) {
            impl.probes.erase(id);
            done(report);
          });
        },
        now() + patience);
    link->start();
    probes.emplace(id, std::move(link));
  }

  // --- net::StreamHandler ---
  std::size_t on_data(std::string_view bytes) override {
    auto self = shared_from_this();
    const std::size_t used = session.receive(bytes);
    settle();
    return used;
  }
  void on_lost(std::string_view reason) override {
    auto self = shared_from_this();
    session.socket_lost(reason);
    settle();
  }

  void attempted(Result<std::unique_ptr<net::Stream>> result) {
    auto gone = std::move(connecting);
    if (result) {
      stream = *std::move(result);
      stream->start(*this);
      session.connected(stream->out());
    } else {
      session.connect_failed(result.error().message);
    }
    settle();
  }

  // After every call into the session: what it wrote goes out, and the timer stands at its next deadline. A deadline
  // that moved away leaves the timer where it is: it fires early and is set again.
  void settle() {
    if (stream && !stream->out().empty()) stream->flush_soon();
    const Monotonic next = session.next_deadline();
    if (next >= armed) return;
    armed = next;
    timer.set(next, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self) return;
      self->armed = Monotonic::max();
      self->session.on_time();
      self->settle();
    });
  }

  // What there is much of needs no function made for it.
  struct Settled {
    DeliveryRef delivery;
    enum class As { acked, requeued, rejected } as = As::acked;
  };
  using Work = std::variant<std::function<void(Impl&)>, PreparedRef, Settled>;

  // Always posted, also from the loop's own thread: so the calls of one thread keep their order. What comes while the
  // loop is busy is run in one go, with one wake-up and one settle().
  void post(Work work) {
    {
      std::lock_guard lock(inbox_mutex);
      inbox.push_back(std::move(work));
      if (inbox.size() > 1) return;
    }
    wake();
  }
  void post(std::vector<PreparedRef> messages) {
    if (messages.empty()) return;
    {
      std::lock_guard lock(inbox_mutex);
      const bool woken = !inbox.empty();
      inbox.insert(inbox.end(), std::make_move_iterator(messages.begin()), std::make_move_iterator(messages.end()));
      if (woken) return;
    }
    wake();
  }
  void wake() {
    loop.post([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->run_inbox();
    });
  }
  void run_inbox() {
    std::vector<Work> batch = std::exchange(spare, {});
    {
      std::lock_guard lock(inbox_mutex);
      batch.swap(inbox);
    }
    for (Work& work : batch) do_now(work);
    batch.clear();
    spare = std::move(batch);
    settle();
  }
  void do_now(Work& work) {
    if (auto* call = std::get_if<std::function<void(Impl&)>>(&work)) return (*call)(*this);
    if (auto* message = std::get_if<PreparedRef>(&work)) return session.publish(std::move(*message));
    const auto& [delivery, as] = std::get<Settled>(work);
    if (as == Settled::As::acked) return session.consumers().ack(delivery);
    session.consumers().nack(delivery, as == Settled::As::requeued);
  }

  net::EventLoop& loop;
  const LinkConfig config;
  Session session;
  net::Timer timer;
  Monotonic armed = Monotonic::max();
  std::mutex inbox_mutex;
  std::vector<Work> inbox;
  std::vector<Work> spare;  // The loop's: empty, but with room.
  std::unique_ptr<net::Connecting> connecting;
  std::map<std::string, std::shared_ptr<LocalBroker>> brokers;  // By URL; those that were connected to.
  std::uint64_t local_attempt = 0;                              // What was begun before it comes to nothing.
  std::unique_ptr<net::Stream> stream;
  std::map<std::uint64_t, std::unique_ptr<Link>> probes;
  std::uint64_t next_probe = 1;
};

Link::Link(net::EventLoop& loop, LinkConfig config, LinkEvents events)
    : impl_(std::make_shared<Impl>(loop, std::move(config), std::move(events))) {}

Link::~Link() {
  auto self = std::move(impl_);
  self->session.abandon();
  self->connecting.reset();
  self->stream.reset();
  self->timer.cancel();
  self->probes.clear();
}

void Link::start() {
  impl_->session.start();
  impl_->settle();
}

void Link::close(std::function<void()> done) {
  auto self = impl_;
  self->session.close(std::move(done));
  self->settle();
}

void Link::drop(std::string_view reason) {
  if (!impl_->stream) return;
  // Nothing goes out from here on; the session, which may be in the middle of something, hears of it in its turn.
  impl_->stream->close();
  impl_->post([text = std::string(reason)](Impl& impl) { impl.session.socket_lost(text); });
}

bool Link::is_up() const {
  return impl_->session.is_up();
}
std::uint64_t Link::generation() const {
  return impl_->session.generation();
}
const amqp::Table& Link::server_properties() const {
  return impl_->session.server_properties();
}

void Link::declare(Topology topology, Done done, Monotonic deadline) {
  auto self = impl_;
  self->session.declare(std::move(topology), true, std::move(done), deadline);
  self->settle();
}

void Link::publish(Publication message, Done done) {
  impl_->post(std::make_unique<Prepared>(std::move(message), std::move(done)));
}

void Link::publish(std::vector<PreparedRef> messages) {
  impl_->post(std::move(messages));
}

void Link::publish_delayed(Publication message, std::string queue, std::chrono::milliseconds delay, Done done) {
  impl_->post(
      [message = std::move(message), queue = std::move(queue), delay, done = std::move(done)](Impl& impl) mutable {
        impl.session.publish_delayed(std::move(message), std::move(queue), delay, std::move(done));
      });
}

SubscriptionId Link::subscribe(Subscription what, OnDelivery on_delivery, OnRefused on_refused) {
  // Asking first would cost a connection: a quorum queue ends it.
  if (impl_->config.quorum_queues) what.scope = Subscription::Scope::consumer;
  const auto id = impl_->session.consumers().subscribe(std::move(what), std::move(on_delivery), std::move(on_refused));
  impl_->settle();
  return id;
}

void Link::add_queue(SubscriptionId subscription, const std::string& queue) {
  impl_->session.consumers().add_queue(subscription, queue);
  impl_->settle();
}

void Link::remove_queue(SubscriptionId subscription, const std::string& queue) {
  impl_->session.consumers().remove_queue(subscription, queue);
  impl_->settle();
}

void Link::set_prefetch(SubscriptionId subscription, std::uint16_t prefetch) {
  impl_->post([=](Impl& impl) { impl.session.consumers().set_prefetch(subscription, prefetch); });
}

void Link::when_processed(SubscriptionId subscription, std::function<void()> done) {
  impl_->post([subscription, done = std::move(done)](Impl& impl) mutable {
    impl.session.consumers().when_processed(subscription, std::move(done));
  });
}

void Link::pause(SubscriptionId subscription, std::function<void()> done) {
  auto self = impl_;
  self->session.consumers().pause(subscription, std::move(done));
  self->settle();
}

void Link::resume(SubscriptionId subscription) {
  impl_->session.consumers().resume(subscription);
  impl_->settle();
}

void Link::unsubscribe(SubscriptionId subscription) {
  auto self = impl_;
  self->session.consumers().unsubscribe(subscription);
  self->settle();
}

void Link::ack(const DeliveryRef& delivery) {
  impl_->post(Impl::Settled{delivery});
}

void Link::nack(const DeliveryRef& delivery, bool requeue) {
  impl_->post(Impl::Settled{delivery, requeue ? Impl::Settled::As::requeued : Impl::Settled::As::rejected});
}

}  // namespace wherry::sdk

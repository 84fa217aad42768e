#include "wherry/client.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/uuid.h"
#include "net/event_loop.h"
#include "sdk/client/configure.h"
#include "sdk/client/encode.h"
#include "sdk/client/job.h"
#include "sdk/link/link.h"

namespace wherry {

using namespace std::chrono_literals;

namespace {

thread_local bool on_client_thread = false;

Errc code_of(sdk::Outcome outcome) {
  switch (outcome) {
    case sdk::Outcome::unroutable:
      return Errc::unroutable;
    case sdk::Outcome::refused:
      return Errc::refused;
    case sdk::Outcome::timed_out:
      return Errc::timed_out;
    case sdk::Outcome::disconnected:
      return Errc::disconnected;
    case sdk::Outcome::denied:
      return Errc::denied;
    case sdk::Outcome::overloaded:
      return Errc::overloaded;
    case sdk::Outcome::confirmed:
    case sdk::Outcome::closed:
      break;
  }
  return Errc::closed;
}

std::exception_ptr error_of(const std::string& task, const sdk::Report& report) {
  return std::make_exception_ptr(
      ClientError(code_of(report.outcome),
                  fmt::format("{}: {}: {}", task, to_string(code_of(report.outcome)), report.text), report.code));
}

std::string default_name() {
  return fmt::format("{} ({})", program_invocation_short_name, ::getpid());
}

}  // namespace

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::unroutable:
      return "unroutable";
    case Errc::refused:
      return "refused";
    case Errc::timed_out:
      return "timed_out";
    case Errc::disconnected:
      return "disconnected";
    case Errc::denied:
      return "denied";
    case Errc::overloaded:
      return "overloaded";
    case Errc::invalid_argument:
      return "invalid_argument";
    case Errc::task_failed:
      return "task_failed";
    case Errc::task_revoked:
      return "task_revoked";
    case Errc::bad_result:
      return "bad_result";
    case Errc::closed:
      return "closed";
  }
  return "?";
}

void detail::check_may_block() {
  if (on_client_thread) {
    throw std::logic_error(
        "a blocking call on a client's own thread would wait for itself: co_await there, or set resume_on");
  }
}

class Client::Impl {
 public:
  Impl(std::vector<sdk::Endpoint> endpoints, sdk::Router router, ClientOptions options)
      : options_(std::move(options)), router_(std::move(router)), board_(std::make_shared<sdk::ResultBoard>(loop_)) {
    sdk::LinkConfig config;
    config.endpoints = std::move(endpoints);
    config.name = options_.name.empty() ? default_name() : options_.name;
    config.backoff_first = options_.backoff_first;
    config.backoff_max = options_.backoff_max;
    sdk::LinkEvents events;
    events.on_up = [this](std::uint64_t) { note({Link::up, {}}); };
    events.on_down = [this](std::string_view reason, std::uint16_t denied) {
      note({denied != 0 ? Link::denied : Link::down, std::string(reason), denied});
    };
    link_ = std::make_unique<sdk::Link>(loop_, std::move(config), std::move(events));
    sender_ = {{}, options_.serializer};
    if (options_.results) open_reply_queue();
    link_->start();
    thread_ = std::thread([this] {
      on_client_thread = true;
      loop_.run();
    });
  }

  ~Impl() {
    WHERRY_ASSERT(std::this_thread::get_id() != thread_.get_id());
    close(0ms);
  }

  const ClientOptions& options() const { return options_; }

  void wait_connected(std::chrono::milliseconds timeout) {
    detail::check_may_block();
    std::unique_lock lock(mutex_);
    const auto settled = [&] { return status_.link == Link::up || status_.link == Link::denied; };
    const auto seen = [&] { return settled() || closed_; };
    if (changed_.wait_for(lock, timeout, seen) && status_.link == Link::up) return;
    if (closed_) throw ClientError(Errc::closed, "the client is closed");
    if (status_.link == Link::denied) throw ClientError(Errc::denied, status_.reason, status_.code);
    if (status_.reason.empty()) {
      throw ClientError(Errc::timed_out, fmt::format("no connection to the broker within {} ms", timeout.count()));
    }
    throw ClientError(Errc::disconnected, status_.reason);
  }

  bool connected() const {
    std::lock_guard lock(mutex_);
    return status_.link == Link::up && !closed_;
  }

  void enqueue(Call<void> call, const EnqueueOptions& options, Enqueued done) {
    const auto started = std::chrono::steady_clock::now();
    const std::string name = call.name;
    sdk::Outgoing out = sdk::encode_call(std::move(call), options, router_.route(name, options), sender_,
                                         std::chrono::system_clock::now());
    out.message.deadline = started + options.timeout.value_or(options_.enqueue_timeout);
    auto job = board_->add(out.task_id, options_.results && !options.ignore_result, options_.resume_on);
    auto finished = [this, name, job, done](const sdk::Report& report) {
      if (report.ok()) {
        done(nullptr, job);
      } else {
        done(error_of(name, report), nullptr);
      }
      std::lock_guard lock(mutex_);
      if (--under_way_ == 0) changed_.notify_all();
    };
    std::unique_lock lock(mutex_);
    if (closed_) {
      lock.unlock();
      return done(error_of(name, {sdk::Outcome::closed, 0, "the client is closed"}), nullptr);
    }
    ++under_way_;
    // Posted under the lock: so it stands in the loop's queue before close() can be.
    if (out.topology.empty() || prepared_.contains(topology_key(out))) {
      return publish(std::move(out), std::move(finished));
    }
    loop_.post([this, out = std::move(out), finished = std::move(finished)]() mutable {
      prepare(std::move(out), std::move(finished));
    });
  }

  void close(std::chrono::milliseconds timeout) {
    detail::check_may_block();
    {
      std::unique_lock lock(mutex_);
      if (std::exchange(closed_, true)) return;
      changed_.notify_all();
      changed_.wait_for(lock, timeout, [&] { return under_way_ == 0; });
    }
    loop_.post([this] { link_->close([this] { loop_.stop(); }); });
    thread_.join();
    // Nothing runs beside us now. What was posted while the loop ended is told that the link is closed.
    loop_.post([this] { loop_.stop(); });
    loop_.run();
    link_.reset();
    board_->close();
  }

 private:
  enum class Link { connecting, up, down, denied };
  struct Status {
    Link link = Link::connecting;
    std::string reason = {};
    std::uint16_t code = 0;  // The broker's, when it did not let us in.
  };

  void note(Status status) {
    std::lock_guard lock(mutex_);
    status_ = std::move(status);
    changed_.notify_all();
  }

  // Celery's rpc result backend: a queue of our own, whose name stays the same over reconnects.
  void open_reply_queue() {
    sender_.reply_to = make_uuid();
    sdk::QueueSpec queue{.name = sender_.reply_to, .auto_delete = true};
    queue.arguments.set("x-expires", static_cast<std::int32_t>(options_.result_expires.count()));
    link_->declare({std::move(queue)}, [](const sdk::Report& report) {
      if (report.outcome == sdk::Outcome::refused) log::warning("sdk", "no results will come: {}", report.text);
    });
    link_->subscribe({.queues = {sender_.reply_to}, .prefetch = 0, .no_ack = true}, [this](sdk::Delivery delivery) {
      if (auto news = sdk::decode_result(delivery)) {
        board_->hear(*news);
      } else {
        log::warning("sdk", "a message on the reply queue is not a result: {}", news.error().message);
      }
    });
  }

  // What was declared for one task is not declared again for the next.
  static std::string topology_key(const sdk::Outgoing& out) {
    return out.queue.empty() ? "exchange " + out.message.exchange : "queue " + out.queue;
  }

  // The loop's thread. Declares what the queue needs, once, then publishes. The link remembers it for reconnects.
  void prepare(sdk::Outgoing out, sdk::Done finished) {
    auto shared = std::make_shared<sdk::Outgoing>(std::move(out));
    link_->declare(
        std::move(shared->topology),
        [this, shared, finished = std::move(finished)](const sdk::Report& report) {
          // A queue that is there with other arguments, or that we may not declare, may well take the message:
          // mandatory tells.
          if (report.outcome == sdk::Outcome::refused) {
            log::warning("sdk", "{} is used as it is: {}", topology_key(*shared), report.text);
          } else if (!report.ok()) {
            return finished(report);
          }
          {
            std::lock_guard lock(mutex_);
            prepared_.insert(topology_key(*shared));
          }
          publish(std::move(*shared), finished);
        },
        shared->message.deadline);
  }

  void publish(sdk::Outgoing out, sdk::Done finished) {
    if (out.delay.count() > 0 && !out.queue.empty()) {
      link_->publish_delayed(std::move(out.message), std::move(out.queue), out.delay, std::move(finished));
    } else {
      link_->publish(std::move(out.message), std::move(finished));
    }
  }

  const ClientOptions options_;
  const sdk::Router router_;
  sdk::Sender sender_;
  net::EventLoop loop_;
  std::shared_ptr<sdk::ResultBoard> board_;
  std::unique_ptr<sdk::Link> link_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Status status_;
  bool closed_ = false;
  std::size_t under_way_ = 0;
  std::set<std::string> prepared_;
  std::thread thread_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Client::Client(const std::string& url, ClientOptions options) {
  auto endpoints = sdk::parse_endpoints(url);
  if (!endpoints) throw ClientError(Errc::invalid_argument, endpoints.error().message);
  sdk::Router router(options.default_queue);
  impl_ = std::make_unique<Impl>(*std::move(endpoints), std::move(router), std::move(options));
}

Client Client::from_file(const std::string& path, ClientOptions options) {
  auto configured = sdk::configure(path, std::move(options));
  return Client(std::make_unique<Impl>(std::move(configured.endpoints), std::move(configured.router),
                                       std::move(configured.options)));
}

void Client::wait_connected(std::chrono::milliseconds timeout) {
  impl_->wait_connected(timeout);
}
bool Client::connected() const {
  return impl_->connected();
}
void Client::close(std::chrono::milliseconds timeout) {
  impl_->close(timeout);
}

void Client::enqueue_call(Call<void> call, EnqueueOptions options, Enqueued done) {
  try {
    impl_->enqueue(std::move(call), options, done);
  } catch (...) {
    done(std::current_exception(), nullptr);
  }
}

std::function<void(std::function<void()>)> Client::resume_on() const {
  return impl_->options().resume_on;
}

}  // namespace wherry

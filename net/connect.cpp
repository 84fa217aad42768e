#include <fmt/format.h>
#include <unistd.h>

#include "net/loop_impl.h"
#include "net/stream.h"

namespace wherry::net {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// One attempt over all addresses of a name, with one deadline.
class Attempt final : public std::enable_shared_from_this<Attempt> {
 public:
  using Done = std::function<void(Result<std::unique_ptr<Stream>>)>;
  Attempt(EventLoop& loop, const Address& to, Done done)
      : loop_(loop),
        to_(to),
        resolver_(loop.impl().io),
        socket_(loop.impl().io),
        deadline_(loop.impl().io),
        done_(std::move(done)) {}

  void start(std::chrono::milliseconds timeout) {
    deadline_.expires_after(timeout);
    deadline_.async_wait([self = shared_from_this(), timeout](const boost::system::error_code& error) {
      if (!error) self->finish(fail(fmt::format("{}: no answer within {} ms", self->to_.text(), timeout.count())));
    });
    resolver_.async_resolve(to_.host, std::to_string(to_.port),
                            [self = shared_from_this()](const boost::system::error_code& error, auto addresses) {
                              if (!self->done_) return;
                              if (error) return self->refused(error);
                              self->try_each(addresses);
                            });
  }

  void cancel() {
    done_ = nullptr;
    stop();
  }

 private:
  void try_each(const tcp::resolver::results_type& addresses) {
    asio::async_connect(socket_, addresses,
                        [self = shared_from_this()](const boost::system::error_code& error, auto&&) {
                          if (!self->done_) return;
                          if (error) return self->refused(error);
                          boost::system::error_code failed;
                          // A descriptor of our own: the stream registers it anew.
                          int descriptor = ::dup(self->socket_.native_handle());
                          self->socket_.close(failed);
                          if (descriptor < 0)
                            return self->finish(fail(fmt::format("{}: out of file descriptors", self->to_.text())));
                          self->finish(adopt(self->loop_, descriptor));
                        });
  }

  void refused(const boost::system::error_code& error) {
    finish(fail(fmt::format("{}: {}", to_.text(), error.message())));
  }

  void finish(Result<std::unique_ptr<Stream>> result) {
    Done done = std::exchange(done_, nullptr);
    stop();
    if (done) done(std::move(result));
  }

  void stop() {
    boost::system::error_code ignored;
    deadline_.cancel();
    resolver_.cancel();
    socket_.close(ignored);
  }

  EventLoop& loop_;
  Address to_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  asio::steady_timer deadline_;
  Done done_;
};

class Handle final : public Connecting {
 public:
  explicit Handle(std::shared_ptr<Attempt> attempt) : attempt_(std::move(attempt)) {}
  ~Handle() override { attempt_->cancel(); }

 private:
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace

std::unique_ptr<Connecting> connect(EventLoop& loop, const Address& to, std::chrono::milliseconds timeout,
                                    std::function<void(Result<std::unique_ptr<Stream>>)> done) {
  auto attempt = std::make_shared<Attempt>(loop, to, std::move(done));
  attempt->start(timeout);
  return std::make_unique<Handle>(std::move(attempt));
}

}  // namespace wherry::net

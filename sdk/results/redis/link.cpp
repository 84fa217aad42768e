#include "sdk/results/redis/link.h"

#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "protocol/task/backoff.h"

namespace wherry::results {

using namespace std::chrono_literals;

namespace {

constexpr auto connect_timeout = 10s;
constexpr auto ask_after = 10s;
constexpr auto lost_after = 20s;
constexpr auto look_every = 5s;

}  // namespace

RedisLink::RedisLink(net::EventLoop& loop, RedisEndpoint endpoint, BackendOptions options, Handler& handler)
    : loop_(loop), endpoint_(std::move(endpoint)), options_(std::move(options)), handler_(handler) {}

RedisLink::~RedisLink() {
  if (stream_) stream_->close_after_flush(1s);
}

void RedisLink::start() {
  connect();
}

void RedisLink::connect() {
  auto done = [this](Result<std::unique_ptr<net::Stream>> made) {
    connecting_.reset();
    if (!made) return lose(std::move(made.error().message));
    greet(*std::move(made));
  };
  if (!endpoint_.context) {
    connecting_ = net::connect(loop_, endpoint_.address, connect_timeout, std::move(done));
    return;
  }
  // The files may have been renewed.
  if (auto read = endpoint_.context->reload(); !read) return lose(std::move(read.error().message));
  connecting_ = net::connect_tls(loop_, endpoint_.address, endpoint_.context, {}, connect_timeout, std::move(done));
}

// The first answers are to these, in their order.
void RedisLink::greet(std::unique_ptr<net::Stream> stream) {
  stream_ = std::move(stream);
  reader_.reset();
  heard_ = loop_.now();
  asked_ = false;
  std::vector<RedisCommand> greeting;
  if (!endpoint_.user.empty()) {
    greeting.push_back({"AUTH", endpoint_.user, endpoint_.password});
  } else if (!endpoint_.password.empty()) {
    greeting.push_back({"AUTH", endpoint_.password});
  }
  greeting.push_back({"SELECT", std::to_string(endpoint_.db)});
  greetings_ = static_cast<unsigned>(greeting.size());
  for (const RedisCommand& each : greeting) append_command(stream_->out(), each);
  stream_->start(*this);
  stream_->flush_soon();
  watchdog_.set(look_every, [this] { look_alive(); });
}

void RedisLink::on_greeting(const RedisReply& reply) {
  if (reply.is_error()) return lose(fmt::format("{}: {}", endpoint_.text(), reply.text));
  if (--greetings_ > 0) return;
  up_ = true;
  if (failures_ > 0) log::info("results", "connected to {} again", endpoint_.text());
  failures_ = 0;
  reason_.clear();
  handler_.on_up();
}

void RedisLink::lose(std::string reason) {
  if (stream_) stream_->close();
  stream_.reset();
  watchdog_.cancel();
  // One line for an outage, and one more when its reason changes.
  if (failures_ == 0 || reason != reason_) log::warning("results", "no connection to the result backend: {}", reason);
  reason_ = std::move(reason);
  const auto wait = task::retry_delay({options_.backoff_first, 2, options_.backoff_max, true}, std::min(failures_, 20u),
                                      [this] { return std::uniform_real_distribution<>(0, 1)(random_); });
  ++failures_;
  retry_.set(wait, [this] { connect(); });
  if (std::exchange(up_, false)) handler_.on_down();
}

void RedisLink::look_alive() {
  const auto silent = loop_.now() - heard_;
  if (silent >= lost_after) return lose(fmt::format("{}: it does not answer", endpoint_.text()));
  watchdog_.set(look_every, [this] { look_alive(); });
  if (silent < ask_after || !up_ || asked_) return;
  asked_ = true;
  handler_.on_idle();
}

void RedisLink::write(const RedisCommand& command) {
  append_command(stream_->out(), command);
  stream_->flush_soon();
}

std::size_t RedisLink::on_data(std::string_view bytes) {
  heard_ = loop_.now();
  asked_ = false;
  if (auto fed = reader_.feed(bytes); !fed) {
    lose(fmt::format("{}: {}", endpoint_.text(), fed.error().message));
    return bytes.size();
  }
  // A reply may be an error that makes us give the connection up.
  while (stream_) {
    auto reply = reader_.next();
    if (!reply) break;
    if (up_) {
      handler_.on_reply(*std::move(reply));
    } else {
      on_greeting(*reply);
    }
  }
  return bytes.size();
}

void RedisLink::on_lost(std::string_view reason) {
  lose(fmt::format("{}: {}", endpoint_.text(), reason));
}

}  // namespace wherry::results

#include "perf/producer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include <fmt/format.h>
#include <sys/socket.h>

#include "perf/clock.h"

namespace wherry::perf {

namespace {

constexpr std::size_t round_size = 1024 * 1024;
constexpr std::size_t turn_size = 256 * 1024;  // Then the other peers have their turn.

std::string body_of(std::uint64_t size) {
  std::string body(size, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 26);
  return body;
}

}  // namespace

Producer::Producer(std::unique_ptr<Connection> connection, Totals& totals, const Workload& workload, unsigned index)
    : Peer(std::move(connection), totals), workload_(workload) {
  build_round(index);
}

void Producer::build_round(unsigned index) {
  const std::vector<Route> routes = routes_of(workload_, index);
  const std::string body = body_of(workload_.size_bytes);
  do {
    for (const Route& route : routes) {
      amqp::BasicPublish publish;
      publish.exchange = route.exchange;
      publish.routing_key = route.key;
      append_publish(round_, channel_number, publish, workload_.persistent, body, connection_->frame_max());
      ends_.push_back(round_.size());
    }
  } while (round_.size() < round_size);
}

std::uint64_t Producer::allowed() const {
  std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  if (workload_.count > 0) {
    const std::uint64_t begun = totals_.published + totals_.half_written;
    most = std::min(most, workload_.count - std::min(workload_.count, begun));
  }
  if (workload_.confirm_window > 0) {
    const std::uint64_t outstanding = unconfirmed_.outstanding();
    most = std::min(most, workload_.confirm_window - std::min<std::uint64_t>(workload_.confirm_window, outstanding));
  }
  if (workload_.in_flight > 0) {
    const std::uint64_t due = totals_.published * workload_.copies();
    const std::uint64_t flying = due - std::min(due, totals_.delivered);
    const std::uint64_t room = workload_.in_flight - std::min(workload_.in_flight, flying);
    most = std::min(most, (room + workload_.copies() - 1) / workload_.copies());
  }
  return most;
}

bool Producer::publish_bulk(bool stopping) {
  // Its own half message is what it goes on with; those of the others count as begun.
  if (half_written()) --totals_.half_written;
  const bool more = write_round(stopping);
  if (half_written()) ++totals_.half_written;
  return more;
}

bool Producer::write_round(bool stopping) {
  std::size_t turn = turn_size;
  while (turn > 0) {
    std::uint64_t messages = stopping ? 0 : allowed();
    if (messages == 0 && half_written()) messages = 1;
    if (messages == 0) return false;
    const std::size_t last = std::min<std::uint64_t>(ends_.size() - 1, message_ + messages - 1);
    const std::size_t wanted = std::min(ends_[last] - at_, turn);
    const ssize_t sent = ::send(fd(), round_.data() + at_, wanted, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) totals_.fail(fmt::format("the connection broke: {}", std::strerror(errno)));
      return errno == EAGAIN;
    }
    at_ += static_cast<std::size_t>(sent);
    turn -= static_cast<std::size_t>(sent);
    count_sent();
    if (static_cast<std::size_t>(sent) < wanted) return true;
  }
  return true;
}

void Producer::count_sent() {
  const std::size_t before = message_;
  while (message_ < ends_.size() && ends_[message_] <= at_) ++message_;
  totals_.published += message_ - before;
  if (workload_.confirm_window > 0) {
    const std::uint64_t now = now_ns();
    for (std::size_t i = before; i < message_; ++i) unconfirmed_.add(now);
  }
  if (message_ == ends_.size()) message_ = at_ = 0;
}

void Producer::publish_one(std::uint64_t due_ns) {
  const std::size_t begin = begin_of(message_);
  const std::string_view frames = std::string_view(round_).substr(begin, ends_[message_] - begin);
  const std::size_t start = output_.size();
  output_ += frames;
  std::memcpy(&output_[start + body_offset(frames)], &due_ns, sizeof due_ns);
  if (++message_ == ends_.size()) message_ = 0;
  at_ = begin_of(message_);
  ++totals_.published;
  if (workload_.confirm_window > 0) unconfirmed_.add(due_ns);
}

void Producer::handle(const Frame& frame, std::uint64_t now) {
  const amqp::MethodId method = frame.method();
  const std::string_view payload = frame.payload;
  if (method == amqp::BasicAck::id && payload.size() >= 13) {
    on_confirm(load_big<std::uint64_t>(payload.data() + 4), payload[12] & 1, false, now);
  } else if (method == amqp::BasicNack::id && payload.size() >= 13) {
    on_confirm(load_big<std::uint64_t>(payload.data() + 4), payload[12] & 1, true, now);
  } else if (method == amqp::BasicReturn::id) {
    ++totals_.returned;
  } else {
    handle_common(method, frame);
  }
}

void Producer::on_confirm(std::uint64_t tag, bool multiple, bool refused, std::uint64_t now) {
  std::uint64_t settled = 0;
  const bool known = unconfirmed_.settle(tag, multiple, [&](std::uint64_t sent) {
    ++settled;
    if (totals_.recording) totals_.confirming.add(now > sent ? now - sent : 0);
  });
  if (!known) return totals_.fail(fmt::format("the broker confirmed tag {}, which was never published", tag));
  totals_.confirmed += settled;
  if (refused) totals_.refused += settled;
  totals_.last_confirm_ns = now;
}

void Producer::on_blocked(bool blocked) {
  if (blocked == blocked_) return;
  blocked_ = blocked;
  if (blocked) {
    ++totals_.blocked;
    totals_.ever_blocked = true;
  } else {
    --totals_.blocked;
  }
}

}  // namespace wherry::perf

#include "perf/consumer.h"

#include <cstring>

#include <fmt/format.h>

namespace wherry::perf {

Consumer::Consumer(std::unique_ptr<Connection> connection, Totals& totals, const Workload& workload)
    : Peer(std::move(connection), totals), workload_(workload) {}

Result<void> Consumer::prepare() {
  if (workload_.prefetch == 0) return {};
  amqp::BasicQos qos;
  qos.prefetch_count = workload_.prefetch;
  auto done = connection_->call(qos, amqp::BasicQosOk::id);
  if (!done) return tl::unexpected(done.error());
  return {};
}

Result<void> Consumer::consume(const std::string& queue, bool await) {
  amqp::BasicConsume consume;
  consume.queue = queue;
  consume.no_ack = workload_.ack == AckMode::automatic;
  if (await) {
    auto done = connection_->call(consume, amqp::BasicConsumeOk::id);
    if (!done) return tl::unexpected(done.error());
    return {};
  }
  std::string bytes;
  append_method(bytes, channel_number, consume);
  return connection_->send(bytes);
}

void Consumer::handle(const Frame& frame, std::uint64_t now) {
  switch (frame.type) {
    case amqp::FrameType::body:
      return on_body(frame.payload, now);
    case amqp::FrameType::header:
      if (frame.payload.size() < amqp::content_header_fixed_size) return totals_.fail("a content header ends early");
      body_left_ = load_big<std::uint64_t>(frame.payload.data() + 4);
      first_part_ = true;
      if (body_left_ == 0) {
        totals_.last_delivery_ns = now;
        on_message();
      }
      return;
    case amqp::FrameType::method: {
      const amqp::MethodId method = frame.method();
      if (method == amqp::BasicDeliver::id) return on_deliver(frame.payload);
      if (method == amqp::BasicCancel::id) return totals_.fail("the broker cancelled a consumer: its queue is gone");
      return handle_common(method, frame);
    }
    default:
      return;
  }
}

void Consumer::on_deliver(std::string_view payload) {
  const std::size_t tag_at = payload.size() > 4 ? 5 + static_cast<std::uint8_t>(payload[4]) : payload.size();
  if (payload.size() < tag_at + 8) return totals_.fail("a basic.deliver ends early");
  tag_ = load_big<std::uint64_t>(payload.data() + tag_at);
}

void Consumer::on_body(std::string_view part, std::uint64_t now) {
  if (first_part_ && workload_.measures_latency() && part.size() >= sizeof now) {
    std::uint64_t due = 0;
    std::memcpy(&due, part.data(), sizeof due);
    if (totals_.recording) totals_.end_to_end.add(now > due ? now - due : 0);
  }
  first_part_ = false;
  if (part.size() > body_left_) return totals_.fail("a message has more body than its header said");
  body_left_ -= part.size();
  if (body_left_ > 0) return;
  totals_.last_delivery_ns = now;
  on_message();
}

void Consumer::on_message() {
  ++totals_.delivered;
  if (workload_.ack == AckMode::each) {
    acknowledge(tag_, false);
  } else if (workload_.ack == AckMode::multiple && ++unacked_ >= workload_.ack_every) {
    acknowledge_rest();
  }
}

void Consumer::acknowledge_rest() {
  if (unacked_ == 0) return;
  acknowledge(tag_, true);
  unacked_ = 0;
}

void Consumer::acknowledge(std::uint64_t tag, bool multiple) {
  // basic.ack by hand: this is done once for every message.
  char frame[21] = {1, 0, channel_number, 0, 0, 0, 13, 0, 60, 0, 80};
  store_big(frame + 11, tag);
  frame[19] = multiple ? 1 : 0;
  frame[20] = static_cast<char>(amqp::frame_end);
  output_.append(frame, sizeof frame);
}

Result<void> Consumer::finish() {
  acknowledge_rest();
  const std::string rest = output_.substr(written_);
  output_.clear();
  written_ = 0;
  if (auto sent = connection_->send(rest); !sent) return sent;
  auto closed = connection_->call(amqp::ChannelClose{200, "done", 0, 0}, amqp::ChannelCloseOk::id);
  if (!closed) return tl::unexpected(closed.error());
  return {};
}

}  // namespace wherry::perf

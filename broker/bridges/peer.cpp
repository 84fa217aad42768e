#include "broker/bridges/peer.h"

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "sdk/endpoint/reach.h"

namespace wherry::broker::bridges {

Peer::Peer(net::EventLoop& loop, PeerConfig config, Events events)
    : loop_(loop), config_(std::move(config)), events_(std::move(events)), timer_(loop) {}

Peer::~Peer() {
  over_ = true;
  drop();
}

void Peer::start() {
  connect();
}

// --- getting in ------------------------------------------------------------------------------------------------------

void Peer::connect() {
  const auto attempted_later = [this](auto&& outcome) {
    auto kept = std::make_shared<Result<std::unique_ptr<net::Stream>>>(std::forward<decltype(outcome)>(outcome));
    loop_.post([this, alive = std::weak_ptr<char>(alive_), kept] {
      if (!alive.expired()) attempted(std::move(*kept));
    });
  };
  if (uri().local) {
    auto socket = config_.open_local(uri().endpoint.virtual_host);
    if (!socket) return attempted_later(Result<std::unique_ptr<net::Stream>>(tl::unexpected(socket.error())));
    return attempted_later(Result<std::unique_ptr<net::Stream>>(net::adopt(loop_, *socket)));
  }
  auto reached = sdk::reach(loop_, uri().endpoint, uri().endpoint.connection_timeout,
                            [this](Result<std::unique_ptr<net::Stream>> stream) { attempted(std::move(stream)); });
  if (!reached) return attempted_later(Result<std::unique_ptr<net::Stream>>(tl::unexpected(reached.error())));
  connecting_ = std::move(*reached);
}

void Peer::attempted(Result<std::unique_ptr<net::Stream>> stream) {
  if (over_) return;
  const auto gone = std::move(connecting_);
  if (!stream) return give_up_address(stream.error().message);
  stream_ = std::move(*stream);
  client_config_ = sdk::client_config(uri().endpoint, config_.name);
  wire_ = amqp::Connection::client(client_config_, *this, stream_->out(), loop_.now());
  stream_->start(*this);
  settle();
}

// Not from inside the machine: that goes with the address.
void Peer::give_up_address(std::string reason) {
  last_reason_ = fmt::format("{}: {}", uri().text(), reason);
  if (gives_up_) return;
  gives_up_ = true;
  loop_.post([this, alive = std::weak_ptr<char>(alive_)] {
    if (alive.expired() || over_) return;
    gives_up_ = false;
    drop();
    if (at_ + 1 == config_.uris.size()) return end(last_reason_);
    ++at_;
    connect();
  });
}

void Peer::drop() {
  connecting_.reset();
  timer_.cancel();
  armed_ = Monotonic::max();
  if (!stream_) return;
  const bool was_over = std::exchange(over_, true);
  if (wire_ && wire_->running()) {
    wire_->close_ok("the bridge ends");
    // A socket that is closed with something unread takes back what the peer has not read: acknowledgements, deletions.
    stream_->close_after_peer(patience);
  } else {
    stream_->close_after_flush();
  }
  over_ = was_over;
  stream_.reset();  // What is left to write goes out without it.
  wire_.reset();
}

void Peer::end(std::string reason) {
  if (std::exchange(over_, true)) return;
  timer_.cancel();
  events_.ended(std::move(reason));
}

// --- the socket ------------------------------------------------------------------------------------------------------

std::size_t Peer::on_data(std::string_view bytes) {
  if (over_ || !wire_) return bytes.size();
  if (paused_) {
    stream_->pause_reading();
    return 0;
  }
  const std::size_t used = wire_->receive(bytes, loop_.now());
  if (paused_ && stream_) stream_->pause_reading();
  settle();
  return over_ ? bytes.size() : used;
}

void Peer::on_lost(std::string_view reason) {
  if (over_ || !wire_) return;
  wire_->on_socket_lost(reason);
}

void Peer::on_writable() {
  if (!over_ && events_.flow_changed) events_.flow_changed();
}

void Peer::flush() {
  if (stream_ && !stream_->out().empty()) stream_->flush_soon();
}

void Peer::settle() {
  if (over_ || !wire_) return;
  flush();
  const Monotonic next = wire_->next_deadline();
  if (next >= armed_) return;
  armed_ = next;
  timer_.set(next, [this] {
    armed_ = Monotonic::max();
    if (!wire_) return;
    wire_->on_time(loop_.now());
    settle();
  });
}

void Peer::pause() {
  if (std::exchange(paused_, true)) return;
  if (!wire_) return;
  wire_->hold();
  if (stream_) stream_->pause_reading();
}

void Peer::resume() {
  if (!std::exchange(paused_, false) || over_) return;
  if (stream_) stream_->read_on();
}

// --- the machine -----------------------------------------------------------------------------------------------------

void Peer::on_ready(const amqp::Table& server_properties, const amqp::Tuning&) {
  server_properties_ = server_properties;
  wire_->open_channel(channel);
}

void Peer::on_method(std::uint16_t on, const amqp::Method& method) {
  if (over_) return;
  if (on == 0) {
    const bool says = std::holds_alternative<amqp::ConnectionBlocked>(method);
    if (says || std::holds_alternative<amqp::ConnectionUnblocked>(method)) {
      blocked_ = says;
      if (events_.flow_changed) events_.flow_changed();
    }
    return;
  }
  if (on != channel) {
    const auto found = probes_.find(on);
    if (found == probes_.end()) return;
    if (std::holds_alternative<amqp::ChannelOpenOk>(method)) {
      found->second.send(*wire_, on);
      return;
    }
    const Probed then = std::exchange(found->second.then, {});
    wire_->close_channel(on, amqp::AmqpError{amqp::ReplyCode::success, "done", {}, false});
    if (then) then(&method, {});
    return;
  }
  if (const auto* ack = std::get_if<amqp::BasicAck>(&method)) {
    if (events_.confirmed) events_.confirmed(ack->delivery_tag, ack->multiple, true);
  } else if (const auto* nack = std::get_if<amqp::BasicNack>(&method)) {
    if (events_.confirmed) events_.confirmed(nack->delivery_tag, nack->multiple, false);
  } else if (std::holds_alternative<amqp::BasicCancel>(method)) {
    end(fmt::format("{}: the consumer was cancelled: the queue is gone", uri().text()));
  } else if (std::holds_alternative<amqp::ChannelOpenOk>(method)) {
    ready_ = true;
    events_.ready();
  } else if (!answers_.empty()) {
    const Answered then = std::move(answers_.front());
    answers_.pop_front();
    if (then) then(method);
  }
}

void Peer::on_content(std::uint16_t, const amqp::Method& method, const amqp::ContentHeader& header) {
  body_.clear();
  content_ = Content::none;
  if (const auto* delivery = std::get_if<amqp::BasicDeliver>(&method)) {
    content_ = Content::delivery;
    tag_ = delivery->delivery_tag;
    redelivered_ = delivery->redelivered;
    exchange_ = delivery->exchange;
    routing_key_ = delivery->routing_key;
    raw_properties_ = header.properties;
  } else if (const auto* returned = std::get_if<amqp::BasicReturn>(&method)) {
    content_ = Content::returned;
    routing_key_ = returned->routing_key;
  }
}

void Peer::on_body(std::uint16_t, std::string_view fragment) {
  if (content_ == Content::delivery) body_.append(fragment);
}

void Peer::on_content_end(std::uint16_t) {
  if (over_) return;
  // Only what goes straight to a queue is published as mandatory.
  if (content_ == Content::returned) {
    return end(fmt::format("{}: the queue '{}' is gone", uri().text(), routing_key_));
  }
  if (content_ == Content::delivery && events_.delivered) {
    events_.delivered({tag_, redelivered_, exchange_, routing_key_, raw_properties_, body_});
  }
}

void Peer::on_channel_closed(std::uint16_t on, const amqp::ChannelClose* by_peer) {
  if (over_) return;
  if (on != channel) {
    const auto probe = probes_.extract(on);
    if (!probe || !probe.mapped().then || by_peer == nullptr) return;
    return probe.mapped().then(nullptr, {by_peer->reply_code, std::string(by_peer->reply_text)});
  }
  if (by_peer != nullptr) end(fmt::format("{}: {}", uri().text(), by_peer->reply_text));
}

void Peer::on_ended(const Ended& why) {
  if (over_) return;
  const std::string reason = why.text.empty() ? std::string("the connection broke") : why.text;
  if (!ready_) return give_up_address(reason);
  end(fmt::format("{}: {}", uri().text(), reason));
}

void Peer::probe(std::function<void(amqp::Connection& wire, std::uint16_t on)> send, Probed then) {
  std::uint16_t free = channel + 1;
  while (probes_.contains(free)) ++free;
  probes_.emplace(free, Probe{std::move(send), std::move(then)});
  wire_->open_channel(free);
  flush();
}

void Peer::publish(const amqp::BasicPublish& method, std::string_view raw_properties, std::string_view body) {
  wire_->send_content(channel, amqp::Method(method), raw_properties, body);
  flush();
}

}  // namespace wherry::broker::bridges

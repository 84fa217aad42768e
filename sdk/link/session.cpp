#include "sdk/link/session.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "protocol/amqp/properties.h"
#include "sdk/endpoint/reach.h"

namespace wherry::sdk {

namespace {

constexpr std::uint16_t publish_channel = 1;
constexpr std::uint16_t declare_channel = 2;
// A connection that stood this long was a good one: the next loss begins its backoff anew.
constexpr std::chrono::seconds settled_after{5};

}  // namespace

Session::Session(SessionHost& host, LinkConfig config, LinkEvents events, std::function<double()> random)
    : host_(host),
      config_(std::move(config)),
      events_(std::move(events)),
      backoff_(config_.backoff_first, config_.backoff_max, std::move(random)),
      publisher_(config_.max_unconfirmed, config_.max_waiting, config_.quorum_queues),
      declarer_(
          [this](const Declaration& what, const Report& why) {
            log::warning("sdk", "not restored after reconnecting: {}", why.text);
            if (events_.on_declare_refused) events_.on_declare_refused(what, why);
          },
          [this] {
            recovered_ = true;
            delayer_.connected();
            consumers_.up(*wire_);
            restore_publishing();
          }),
      consumers_(
          [this] {
            consumers_settled_ = true;
            check_up();
          },
          config_.quorum_queues),
      delayer_({[this](Declaration what, Done done, Monotonic deadline) {
                  declare({std::move(what)}, false, std::move(done), deadline);
                },
                [this](Topology what, Done done) {
                  host_.probe(config_.endpoints[endpoint_], std::move(what), std::move(done));
                },
                [this](Publication message, Done done) {
                  publish(std::make_unique<Prepared>(std::move(message), std::move(done)));
                }}) {
  WHERRY_ASSERT(!config_.endpoints.empty());
}

Session::~Session() = default;

void Session::start() {
  WHERRY_ASSERT(state_ == State::idle);
  try_next();
}

void Session::try_next() {
  retry_at_ = Monotonic::max();
  state_ = State::connecting;
  step_began_ = host_.now();
  const Endpoint& to = config_.endpoints[endpoint_];
  host_.connect(to, to.connection_timeout);
}

void Session::connected(OutputBuffer& out) {
  if (state_ != State::connecting) return;
  const Endpoint& to = config_.endpoints[endpoint_];
  client_config_ = client_config(to, config_.name);
  confirms_ready_ = recovered_ = consumers_settled_ = ended_ = false;
  state_ = State::handshaking;
  step_began_ = host_.now();
  wire_ = amqp::Connection::client(client_config_, *this, out, host_.now());
}

void Session::connect_failed(std::string_view reason) {
  if (state_ != State::connecting) return;
  last_reason_ = fmt::format("{}: {}", config_.endpoints[endpoint_].text(), reason);
  last_silent_ = step_timed_out();
  go_down(0);
}

std::size_t Session::receive(std::string_view bytes) {
  if (!wire_) return bytes.size();
  in_machine_ = true;
  const std::size_t used = wire_->receive(bytes, host_.now());
  in_machine_ = false;
  after_machine();
  return used;
}

void Session::socket_lost(std::string_view reason) {
  if (!wire_) return;
  in_machine_ = true;
  wire_->on_socket_lost(reason);
  in_machine_ = false;
  after_machine();
}

void Session::on_time() {
  const Monotonic now = host_.now();
  if (wire_ && wire_->next_deadline() <= now) {
    in_machine_ = true;
    wire_->on_time(now);
    in_machine_ = false;
    after_machine();
  }
  const Report report = late();
  publisher_.on_time(now, report);
  declarer_.on_time(now, report);
  delayer_.on_time(now, report);
  if (state_ == State::waiting && retry_at_ <= now) try_next();
}

Monotonic Session::next_deadline() const {
  Monotonic next = std::min({publisher_.next_deadline(), declarer_.next_deadline(), delayer_.next_deadline()});
  if (wire_) next = std::min(next, wire_->next_deadline());
  if (state_ == State::waiting) next = std::min(next, retry_at_);
  return next;
}

// What the machine said is over is taken down here, when it is not on the stack any more.
void Session::after_machine() {
  if (in_machine_ || !wire_ || !(ended_ || wire_->finished())) return;
  const Ended end = std::exchange(end_, {});
  const bool was_handshake = state_ == State::handshaking;
  consumers_.down();
  publisher_.hold(false);
  blocked_reason_.clear();
  const bool meant = state_ == State::closing;

  Report refusal{Outcome::refused, end.code, end.text};
  // An unknown exchange type costs the whole connection at some brokers (503): it must not be tried for ever.
  const bool over_declaration = end.by_peer && end.code == 503;
  declarer_.down(over_declaration ? &refusal : nullptr, true);
  publisher_.down();
  if (end.by_peer && end.code == 540 && consumers_.give_up_channel_scope()) {
    log::warning("sdk", "the broker has no channel-wide prefetch ({}); it is per queue from now on", end.text);
  }

  wire_.reset();
  host_.disconnect();
  if (meant) return finish_close();

  const Endpoint& at = config_.endpoints[endpoint_];
  last_reason_ = fmt::format("{}: {}", at.text(), end.text.empty() ? "the connection was lost" : end.text);
  last_silent_ = was_handshake && step_timed_out();
  const bool denied = was_handshake && (end.code == 403 || end.code == 530);
  if (state_ == State::up && host_.now() - up_since_ >= settled_after) {
    backoff_.reset();
    attempts_ = 0;
  }
  go_down(denied ? end.code : 0);
}

void Session::go_down(std::uint16_t denied) {
  last_denied_ = denied;
  state_ = State::waiting;
  endpoint_ = (endpoint_ + 1) % config_.endpoints.size();
  ++attempts_;
  // Within a round the next endpoint is tried at once; a round that failed is waited for.
  const bool round_over = attempts_ % config_.endpoints.size() == 0;
  retry_at_ = host_.now() + (round_over ? backoff_.next() : std::chrono::milliseconds(0));
  if (config_.log_connection) log::warning("sdk", "no connection to the broker: {}", last_reason_);
  if (events_.on_down) events_.on_down(last_reason_, denied);
  if (denied != 0 && state_ == State::waiting) fail_all({Outcome::denied, denied, last_reason_});
}

void Session::close(std::function<void()> done) {
  if (state_ == State::closed) {
    if (done) done();
    return;
  }
  close_done_ = std::move(done);
  const bool wired = wire_ != nullptr;
  const bool stands = connection_stands();
  state_ = State::closing;
  fail_all({Outcome::closed, 0, "the connection to the broker was closed"});
  if (wired && stands) {
    wire_->close_ok("goodbye");
    after_machine();
  } else if (wired) {
    ended_ = true;
    after_machine();
  } else {
    host_.disconnect();
    finish_close();
  }
}

void Session::abandon() {
  events_ = {};
  close_done_ = nullptr;
  state_ = State::closed;
  wire_.reset();
  fail_all({Outcome::closed, 0, "the connection to the broker was closed"});
}

void Session::finish_close() {
  state_ = State::closed;
  fail_all({Outcome::closed, 0, "the connection to the broker was closed"});
  if (auto done = std::exchange(close_done_, {})) done();
}

Report Session::late() const {
  if (last_denied_ != 0) return {Outcome::denied, last_denied_, last_reason_};
  if (!blocked_reason_.empty()) return {Outcome::timed_out, 0, "the broker holds back publishers: " + blocked_reason_};
  if (state_ == State::up) return {Outcome::timed_out, 0, "the broker did not answer in time"};
  if (!last_reason_.empty()) {
    return {last_silent_ ? Outcome::timed_out : Outcome::disconnected, 0, last_reason_};
  }
  return {Outcome::timed_out, 0, fmt::format("{} did not answer in time", config_.endpoints[endpoint_].text())};
}

// Whether the attempt that just failed did so by waiting in vain.
bool Session::step_timed_out() const {
  return host_.now() - step_began_ >= config_.endpoints[endpoint_].connection_timeout;
}

void Session::fail_all(const Report& report) {
  delayer_.fail_all(report);
  declarer_.fail_all(report);
  publisher_.fail_all(report);
}

// --- what is asked of the broker
// --------------------------------------------------------------------------------------

void Session::declare(Topology topology, bool remember, Done done, Monotonic deadline) {
  if (state_ == State::closing || state_ == State::closed) {
    if (done) done({Outcome::closed, 0, "the connection to the broker was closed"});
    return;
  }
  if (config_.quorum_queues) make_quorum_queues(topology);
  declarer_.declare(std::move(topology), remember, std::move(done), deadline);
}

void Session::publish(PreparedRef message) {
  if (state_ == State::closing || state_ == State::closed) {
    if (message->done) message->done({Outcome::closed, 0, "the connection to the broker was closed"});
    return;
  }
  const Monotonic now = host_.now();
  if (message->deadline <= now) {
    if (message->done) message->done(late());
    return;
  }
  if (message->exchange.size() > 255 || message->routing_key.size() > 255) {
    if (message->done) {
      message->done({Outcome::refused, 0, "an exchange's name or a routing key is longer than 255 bytes"});
    }
    return;
  }
  publisher_.publish(std::move(message), now);
}

void Session::publish_delayed(Publication message, std::string queue, std::chrono::milliseconds delay, Done done) {
  if (state_ == State::closing || state_ == State::closed) {
    if (done) done({Outcome::closed, 0, "the connection to the broker was closed"});
    return;
  }
  delayer_.publish(std::move(message), std::move(queue), delay, std::move(done));
}

// --- what the machine says
// --------------------------------------------------------------------------------------------

void Session::on_ready(const amqp::Table& server_properties, const amqp::Tuning&) {
  if (state_ != State::handshaking) return;
  server_properties_ = server_properties;
  state_ = State::restoring;
  last_denied_ = 0;
  declarer_.connected();
  wire_->open_channel(publish_channel);
  wire_->open_channel(declare_channel);
}

void Session::on_method(std::uint16_t channel, const amqp::Method& method) {
  if (!connection_stands()) return;
  if (Consumers::owns(channel)) return consumers_.on_method(channel, method);
  if (channel == publish_channel) {
    if (std::holds_alternative<amqp::ChannelOpenOk>(method)) {
      wire_->send(channel, amqp::ConfirmSelect{});
    } else if (std::holds_alternative<amqp::ConfirmSelectOk>(method)) {
      if (std::exchange(confirms_ready_, true)) return publisher_.on_select_ok();
      restore_publishing();
    } else if (auto* ack = std::get_if<amqp::BasicAck>(&method)) {
      publisher_.on_ack(ack->delivery_tag, ack->multiple);
    } else if (auto* nack = std::get_if<amqp::BasicNack>(&method)) {
      publisher_.on_nack(nack->delivery_tag, nack->multiple, host_.now());
    }
  } else if (channel == declare_channel) {
    if (std::holds_alternative<amqp::ChannelOpenOk>(method)) {
      declarer_.up(*wire_, channel);
    } else if (auto* queue = std::get_if<amqp::QueueDeclareOk>(&method)) {
      declarer_.on_ok(queue->message_count);
    } else if (std::holds_alternative<amqp::ExchangeDeclareOk>(method) ||
               std::holds_alternative<amqp::QueueBindOk>(method) ||
               std::holds_alternative<amqp::ExchangeBindOk>(method)) {
      declarer_.on_ok();
    }
  } else if (auto* blocked = std::get_if<amqp::ConnectionBlocked>(&method)) {
    blocked_reason_ = blocked->reason.empty() ? "no reason given" : std::string(blocked->reason);
    publisher_.hold(true);
    if (events_.on_blocked) events_.on_blocked(true, blocked_reason_);
  } else if (std::holds_alternative<amqp::ConnectionUnblocked>(method)) {
    blocked_reason_.clear();
    publisher_.hold(false);
    if (events_.on_blocked) events_.on_blocked(false, {});
  }
}

void Session::on_content(std::uint16_t channel, const amqp::Method& method, const amqp::ContentHeader& header) {
  if (Consumers::owns(channel)) return consumers_.on_content(channel, method, header);
  if (auto* returned = std::get_if<amqp::BasicReturn>(&method)) {
    if (auto properties = amqp::view_properties(header.properties)) {
      publisher_.on_return(*returned, properties->message_id.value_or(std::string_view{}));
    }
  }
}

void Session::on_body(std::uint16_t channel, std::string_view fragment) {
  if (Consumers::owns(channel)) consumers_.on_body(channel, fragment);
}

void Session::on_content_end(std::uint16_t channel) {
  if (Consumers::owns(channel) && connection_stands()) consumers_.on_content_end(channel);
}

void Session::on_channel_closed(std::uint16_t channel, const amqp::ChannelClose* by_peer) {
  if (Consumers::owns(channel)) return consumers_.on_channel_closed(channel, by_peer);
  // With the connection's end, everything is taken down in after_machine().
  if (!connection_stands() || (!by_peer && !wire_->running())) return;
  Report refusal{Outcome::refused};
  if (by_peer) refusal = {Outcome::refused, by_peer->reply_code, std::string(by_peer->reply_text)};
  if (channel == publish_channel) {
    const bool over_publish = by_peer && by_peer->class_id == amqp::BasicPublish::id.class_id;
    confirms_ready_ = false;
    publisher_.down(over_publish ? &refusal : nullptr);
    wire_->open_channel(publish_channel);
  } else if (channel == declare_channel) {
    wire_->open_channel(declare_channel);
    declarer_.down(&refusal);
  }
}

void Session::on_ended(const Ended& why) {
  ended_ = true;
  end_ = why;
}

void Session::restore_publishing() {
  if (!recovered_ || !confirms_ready_) return;
  publisher_.up(*wire_, publish_channel);
  check_up();
}

void Session::check_up() {
  if (state_ != State::restoring || !recovered_ || !confirms_ready_ || !consumers_settled_) return;
  state_ = State::up;
  ++generation_;
  up_since_ = host_.now();
  if (!last_reason_.empty() && config_.log_connection) {
    log::info("sdk", "connected to the broker again: {}", config_.endpoints[endpoint_].text());
  }
  last_reason_.clear();
  if (events_.on_up) events_.on_up(generation_);
}

}  // namespace wherry::sdk

#include "broker/bridges/bridge.h"

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "base/log.h"

namespace wherry::broker::bridges {

std::string_view to_string(Bridge::State state) {
  switch (state) {
    case Bridge::State::starting:
      return "starting";
    case Bridge::State::running:
      return "running";
    case Bridge::State::terminated:
      break;
  }
  return "terminated";
}

Bridge::Bridge(const Surroundings& around, Ends ends, std::string what, std::string name, std::chrono::seconds delay)
    : around_(around),
      ends_(std::move(ends)),
      what_(std::move(what)),
      name_(std::move(name)),
      delay_(delay),
      again_(around.loop) {
  set_state(State::starting);
}

Bridge::~Bridge() = default;

void Bridge::start() {
  begin();
}

Bridge::Status Bridge::status() const {
  Status status{.state = state_, .reason = reason_, .since = since_};
  if (source_) status.source = source_->uri().text();
  if (destination_) status.destination = destination_->uri().text();
  status.blocked = destination_ && destination_->blocked();
  status.passed_on = passed_on_before_ + (transfer_ ? transfer_->passed_on() : 0);
  return status;
}

void Bridge::set_state(State state, std::string reason) {
  state_ = state;
  reason_ = std::move(reason);
  since_ = std::chrono::system_clock::now();
}

void Bridge::begin() {
  ready_ = 0;
  failing_ = false;
  set_state(State::starting);
  const auto make = [this](const std::vector<BridgeUri>& uris) {
    return std::make_unique<Peer>(around_.loop, PeerConfig{uris, name_, around_.open_local},
                                  Peer::Events{.ready = [this] { end_ready(); },
                                               .ended = [this](std::string reason) { fail(std::move(reason)); }});
  };
  source_ = make(ends_.source);
  destination_ = make(ends_.destination);
  source_->start();
  destination_->start();
}

void Bridge::end_ready() {
  if (++ready_ == 2) set_up();
}

Transfer& Bridge::transfer(Transfer::Config config) {
  if (config.ack_mode == AckMode::on_confirm) destination_->ask(amqp::ConfirmSelect{});
  transfer_ = std::make_unique<Transfer>(around_.loop, *source_, *destination_, std::move(config));
  return *transfer_;
}

void Bridge::consume(const std::string& queue, std::uint16_t prefetch, const amqp::Table& arguments) {
  const std::string encoded = amqp::encode_table(arguments);
  source_->ask(amqp::BasicQos{.prefetch_count = prefetch});
  source_->ask(
      amqp::BasicConsume{.queue = queue, .consumer_tag = {}, .no_ack = transfer_->no_ack(), .arguments = {encoded}},
      [this](const amqp::Method&) {
        set_state(State::running);
        log::info("bridges", "{} is running, from {} to {}", what_, source_->uri().text(), destination_->uri().text());
      });
}

void Bridge::ensure_queue(Peer& at, const std::string& queue, const amqp::Table& arguments,
                          std::function<void(std::uint32_t messages)> then) {
  const auto declared = [then = std::move(then)](const amqp::Method& answer) {
    const auto* ok = std::get_if<amqp::QueueDeclareOk>(&answer);
    then(ok ? ok->message_count : 0);
  };
  at.probe(
      [queue](amqp::Connection& wire, std::uint16_t on) {
        wire.send(on, amqp::QueueDeclare{.queue = queue, .passive = true, .arguments = {}});
      },
      [this, &at, queue, arguments, declared](const amqp::Method* there, const Peer::Refusal& refused) {
        if (there != nullptr) return declared(*there);
        if (refused.code != static_cast<std::uint16_t>(amqp::ReplyCode::not_found)) {
          return fail(fmt::format("{}: {}", at.uri().text(), refused.text));
        }
        const std::string encoded = amqp::encode_table(arguments);
        at.ask(amqp::QueueDeclare{.queue = queue, .durable = true, .arguments = {encoded}}, declared);
      });
}

// Not from inside of the ends, which go.
void Bridge::fail(std::string reason) {
  if (std::exchange(failing_, true)) return;
  set_state(State::terminated, std::move(reason));
  log::warning("bridges", "{}: {}{}", what_, reason_,
               delay_.count() == 0 ? std::string() : fmt::format("; again in {} s", delay_.count()));
  around_.loop.post([this, alive = std::weak_ptr<char>(alive_)] {
    if (alive.expired()) return;
    tear_down();
    if (delay_.count() > 0) again_.set(delay_, [this] { begin(); });
  });
}

void Bridge::finish(std::function<void()> told) {
  if (std::exchange(failing_, true)) return;
  set_state(State::terminated, "all that it was to move is moved");
  log::info("bridges", "{} has moved all that it was to move: {} messages", what_, status().passed_on);
  around_.loop.post([this, alive = std::weak_ptr<char>(alive_), told = std::move(told)] {
    if (alive.expired()) return;
    tear_down();
    told();
  });
}

void Bridge::tear_down() {
  torn_down();
  if (transfer_) passed_on_before_ += transfer_->passed_on();
  transfer_.reset();
  source_.reset();
  destination_.reset();
}

}  // namespace wherry::broker::bridges

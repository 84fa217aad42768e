#include "broker/bridges/transfer.h"

#include <algorithm>
#include <utility>

namespace wherry::broker::bridges {

Transfer::Transfer(net::EventLoop& loop, Peer& source, Peer& destination, Config config)
    : source_(source), destination_(destination), config_(std::move(config)), again_(loop) {
  source_.events().delivered = [this](const Peer::Message& message) { on_message(message); };
  destination_.events().confirmed = [this](std::uint64_t tag, bool multiple, bool taken) {
    on_confirm(tag, multiple, taken);
  };
  destination_.events().flow_changed = [this] { check_flow(); };
}

void Transfer::on_message(const Peer::Message& message) {
  if (enough()) {
    back_.push_back(message.tag);
    refused_ = true;
    return check_flow();
  }
  Outgoing out{message.exchange, message.routing_key, message.raw_properties};
  if (!config_.rewrite(message, out)) {
    if (!no_ack()) ack(message.tag, false);
    return;
  }
  destination_.publish({.exchange = out.exchange, .routing_key = out.routing_key, .mandatory = out.mandatory},
                       out.raw_properties, message.body);
  ++sent_;
  if (config_.ack_mode == AckMode::on_confirm) {
    pending_.push_back({message.tag});
  } else {
    ++passed_on_;
    if (!no_ack()) ack(message.tag, false);
  }
  check_flow();
  check_finished();
}

void Transfer::on_confirm(std::uint64_t tag, bool multiple, bool taken) {
  if (tag < first_ || tag - first_ >= pending_.size()) return;
  const auto last = static_cast<std::size_t>(tag - first_);
  for (std::size_t i = multiple ? 0 : last; i <= last; ++i) {
    if (pending_[i].state == State::sent) pending_[i].state = taken ? State::taken : State::refused;
  }
  if (!taken) refused_ = true;
  settle_front();
  check_finished();
}

// Neighbours that were taken are acknowledged together, while nothing in front of them has to stay.
void Transfer::settle_front() {
  std::uint64_t merged = 0;
  while (!pending_.empty() && pending_.front().state != State::sent) {
    const Pending done = pending_.front();
    pending_.pop_front();
    ++first_;
    if (done.state == State::refused) {
      --sent_;
      back_.push_back(done.tag);
      again_.set(before_again, [this] { put_back(); });
      continue;
    }
    ++passed_on_;
    if (refused_) {
      ack(done.tag, false);
    } else {
      merged = done.tag;
    }
  }
  if (merged != 0) ack(merged, true);
}

void Transfer::put_back() {
  for (const std::uint64_t tag : std::exchange(back_, {})) {
    source_.tell(amqp::BasicNack{.delivery_tag = tag, .multiple = false, .requeue = true});
  }
  refused_ = std::any_of(pending_.begin(), pending_.end(), [](const Pending& p) { return p.state == State::refused; });
  check_flow();
}

void Transfer::check_flow() {
  if (destination_.takes_more() && !enough()) {
    source_.resume();
  } else {
    source_.pause();
  }
}

void Transfer::check_finished() {
  if (finished_ || !enough() || !pending_.empty()) return;
  finished_ = true;
  config_.finished();
}

void Transfer::ack(std::uint64_t tag, bool multiple) {
  source_.tell(amqp::BasicAck{.delivery_tag = tag, .multiple = multiple});
}

}  // namespace wherry::broker::bridges

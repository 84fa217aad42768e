#include "sdk/link/delayer.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

#include "base/log.h"
#include "sdk/link/delay_levels.h"

namespace wherry::sdk {

ExchangeSpec delayed_exchange() {
  ExchangeSpec spec{.name = std::string(Delayer::exchange), .type = "x-delayed-message"};
  spec.arguments.set("x-delayed-type", std::string("direct"));
  return spec;
}

void Delayer::publish(Publication message, std::string queue, std::chrono::milliseconds delay, Done done) {
  Waiting what{std::move(message), std::move(queue), delay, std::move(done)};
  if (delay.count() <= 0) return send_now(std::move(what));
  if (support_ != Support::unknown && support_ != Support::asking) return send(std::move(what));
  waiting_.push_back(std::move(what));
  if (support_ == Support::unknown) ask();
}

void Delayer::connected() {
  support_ = Support::unknown;
  ++asked_;
  bound_.clear();
  if (!waiting_.empty()) ask();
}

void Delayer::ask() {
  support_ = Support::asking;
  const std::uint64_t asked = ++asked_;
  look_for(delayed_exchange(), Support::plugin, asked, [this, asked] {
    make({delayed_exchange()}, Support::plugin, asked, [this, asked](const Report&) { ask_for_levels(asked); });
  });
}

void Delayer::ask_for_levels(std::uint64_t asked) {
  ExchangeSpec last{.name = std::string(delay_delivery_exchange), .type = "topic"};
  look_for(std::move(last), Support::levels, asked, [this, asked] {
    make(delay_levels(), Support::levels, asked, [this](const Report& why) {
      log::info("sdk", "the broker holds no delayed messages, workers will: {}", why.text);
      learned(Support::none);
    });
  });
}

void Delayer::look_for(ExchangeSpec what, Support then, std::uint64_t asked, std::function<void()> otherwise) {
  what.passive = true;
  ways_.declare(
      std::move(what),
      [this, then, asked, otherwise = std::move(otherwise)](const Report& there) {
        if (asked != asked_) return;
        if (there.ok()) return learned(then);
        if (there.outcome == Outcome::refused) return otherwise();
        support_ = Support::unknown;  // No connection: the next one asks again.
      },
      Monotonic::max());
}

void Delayer::make(Topology topology, Support then, std::uint64_t asked, std::function<void(const Report&)> refused) {
  ways_.probe(std::move(topology), [this, then, asked, refused = std::move(refused)](const Report& made) {
    if (asked != asked_) return;
    if (made.ok()) return learned(then);
    if (made.outcome == Outcome::refused) return refused(made);
    // Not known: these go the safe way, the next message asks again.
    learned(Support::none);
    support_ = Support::unknown;
  });
}

void Delayer::learned(Support support) {
  support_ = support;
  for (auto& each : std::exchange(waiting_, {})) send(std::move(each));
}

void Delayer::send(Waiting what) {
  switch (support_) {
    case Support::plugin:
      return send_through_exchange(std::move(what));
    case Support::levels:
      return send_through_levels(std::move(what));
    default:
      return send_now(std::move(what));
  }
}

void Delayer::send_now(Waiting what) {
  what.message.exchange = {};
  what.message.routing_key = std::move(what.queue);
  what.message.mandatory = true;
  ways_.publish(std::move(what.message), std::move(what.done));
}

void Delayer::send_through_exchange(Waiting what) {
  what.message.exchange = exchange;
  what.message.routing_key = what.queue;
  what.message.mandatory = false;  // The exchange routes when the time has come: by now every message is unroutable.
  if (!what.message.properties.headers) what.message.properties.headers.emplace();
  // The plugin counts up to 2^32 - 1 ms; what is longer is held that long and then by its eta header.
  const std::int64_t delay_ms = std::min<std::int64_t>(what.delay.count(), std::numeric_limits<std::uint32_t>::max());
  what.message.properties.headers->set("x-delay", delay_ms);
  BindingSpec binding{.source = std::string(exchange), .destination = what.queue, .routing_key = what.queue};
  send_bound(std::move(what), std::move(binding));
}

void Delayer::send_through_levels(Waiting what) {
  // What is left of a second is held by its eta header.
  const std::int64_t seconds = delay_seconds(what.delay);
  if (seconds < 1 || !fits_delay_levels(what.queue)) return send_now(std::move(what));
  what.message.exchange = first_delay_exchange();
  what.message.routing_key = delay_routing_key(seconds, what.queue);
  what.message.mandatory = true;
  BindingSpec binding = delay_binding(what.queue);
  send_bound(std::move(what), std::move(binding));
}

void Delayer::send_bound(Waiting what, BindingSpec binding) {
  if (bound_.contains(what.queue)) return ways_.publish(std::move(what.message), std::move(what.done));
  const Monotonic deadline = what.message.deadline;
  auto shared = std::make_shared<Waiting>(std::move(what));
  ways_.declare(
      std::move(binding),
      [this, shared, asked = asked_](const Report& bound) {
        if (bound.ok()) {
          if (asked == asked_) bound_.insert(shared->queue);
          return ways_.publish(std::move(shared->message), std::move(shared->done));
        }
        Report report = bound;
        if (report.code == 404) report.outcome = Outcome::unroutable;
        if (shared->done) shared->done(report);
      },
      deadline);
}

void Delayer::on_time(Monotonic now, const Report& late) {
  std::vector<Done> over;
  std::erase_if(waiting_, [&](Waiting& each) {
    if (each.message.deadline > now) return false;
    over.push_back(std::move(each.done));
    return true;
  });
  for (auto& done : over) {
    if (done) done(late);
  }
}

Monotonic Delayer::next_deadline() const {
  Monotonic next = Monotonic::max();
  for (const auto& each : waiting_) next = std::min(next, each.message.deadline);
  return next;
}

void Delayer::fail_all(const Report& report) {
  for (auto& each : std::exchange(waiting_, {})) {
    if (each.done) each.done(report);
  }
}

}  // namespace wherry::sdk

#include "sdk/link/delayer.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/log.h"

namespace wherry::sdk {

ExchangeSpec delayed_exchange() {
  ExchangeSpec spec{.name = std::string(Delayer::exchange), .type = "x-delayed-message"};
  spec.arguments.set("x-delayed-type", std::string("direct"));
  return spec;
}

void Delayer::publish(Publication message, std::string queue, std::chrono::milliseconds delay, Done done) {
  Waiting what{std::move(message), std::move(queue), delay, std::move(done)};
  if (delay.count() <= 0 || support_ == Support::yes || support_ == Support::no) return send(std::move(what));
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
  ExchangeSpec look = delayed_exchange();
  look.passive = true;
  ways_.declare(
      std::move(look),
      [this, asked](const Report& there) {
        if (asked != asked_) return;
        if (there.ok()) return learned(Support::yes);
        if (there.outcome != Outcome::refused) {  // No connection: the next one asks again.
          support_ = Support::unknown;
          return;
        }
        ways_.probe(delayed_exchange(), [this, asked](const Report& made) {
          if (asked != asked_) return;
          if (made.ok()) return learned(Support::yes);
          if (made.outcome == Outcome::refused) {
            log::info("sdk", "the broker holds no delayed messages, workers will: {}", made.text);
            return learned(Support::no);
          }
          // Not known: these go the safe way, the next message asks again.
          learned(Support::no);
          support_ = Support::unknown;
        });
      },
      Monotonic::max());
}

void Delayer::learned(Support support) {
  support_ = support;
  for (auto& each : std::exchange(waiting_, {})) send(std::move(each));
}

void Delayer::send(Waiting what) {
  what.message.exchange = {};
  what.message.routing_key = what.queue;
  what.message.mandatory = true;
  if (what.delay.count() <= 0 || support_ != Support::yes) {
    return ways_.publish(std::move(what.message), std::move(what.done));
  }
  what.message.exchange = exchange;
  what.message.mandatory = false;  // The exchange routes when the time has come: by now every message is unroutable.
  if (!what.message.properties.headers) what.message.properties.headers.emplace();
  // The plugin counts up to 2^32 - 1 ms; what is longer is held that long and then by its eta header.
  const std::int64_t delay_ms = std::min<std::int64_t>(what.delay.count(), std::numeric_limits<std::uint32_t>::max());
  what.message.properties.headers->set("x-delay", delay_ms);
  if (bound_.contains(what.queue)) return ways_.publish(std::move(what.message), std::move(what.done));

  BindingSpec binding{.source = std::string(exchange), .destination = what.queue, .routing_key = what.queue};
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

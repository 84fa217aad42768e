#include "sdk/link/declarer.h"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace wherry::sdk {

namespace {

// The same thing at the broker, perhaps with other arguments.
bool same_identity(const Declaration& a, const Declaration& b) {
  if (a.index() != b.index()) return false;
  if (auto* x = std::get_if<ExchangeSpec>(&a)) return x->name == std::get<ExchangeSpec>(b).name;
  if (auto* x = std::get_if<QueueSpec>(&a)) return x->name == std::get<QueueSpec>(b).name;
  return a == b;
}

bool is_passive(const Declaration& what) {
  if (auto* exchange = std::get_if<ExchangeSpec>(&what)) return exchange->passive;
  if (auto* queue = std::get_if<QueueSpec>(&what)) return queue->passive;
  return false;
}

}  // namespace

void Declarer::declare(Topology topology, bool remember, Done done, Monotonic deadline) {
  auto group = std::make_shared<Group>(Group{std::move(done), deadline, false, false});
  for (auto& each : topology) {
    const bool keep = remember && !is_passive(each);
    steps_.push_back({std::move(each), group, keep});
  }
  steps_.push_back({std::nullopt, std::move(group), false});
  pump();
}

void Declarer::connected() {
  WHERRY_ASSERT(!wire_);
  std::erase_if(steps_, [](const Step& step) { return !step.group; });
  // Behind what was asked for while there was no connection: publishing and consuming may need it.
  steps_.push_back({std::nullopt, nullptr, false});
  for (auto at = remembered_.rbegin(); at != remembered_.rend(); ++at) {
    at->stands = false;
    steps_.push_front({at->what, nullptr, false});
  }
}

void Declarer::up(amqp::Connection& wire, std::uint16_t channel) {
  wire_ = &wire;
  channel_ = channel;
  waiting_ = false;
  pump();
}

void Declarer::down(const Report* refusal, bool fatal) {
  wire_ = nullptr;
  if (!std::exchange(waiting_, false) || !refusal || steps_.empty()) return;
  const Step refused = std::move(steps_.front());
  steps_.pop_front();
  if (fatal) std::erase_if(remembered_, [&](const Remembered& r) { return same_identity(r.what, *refused.what); });
  if (refused.group) {
    refused.group->refused = true;
    finish(*refused.group, *refusal);
  } else if (on_refused_) {
    on_refused_(*refused.what, *refusal);
  }
}

void Declarer::on_ok(std::uint32_t messages) {
  if (!waiting_) return;
  waiting_ = false;
  Step done = std::move(steps_.front());
  steps_.pop_front();
  if (done.group && std::holds_alternative<QueueSpec>(*done.what)) done.group->messages = messages;
  auto* known = find(*done.what);
  if (known && !is_passive(*done.what)) {
    known->what = *done.what;
    known->stands = true;
  } else if (!known && done.remember) {
    remembered_.push_back({*std::move(done.what), true});
  }
  pump();
}

void Declarer::pump() {
  // A Done that declares comes back here while the loop below goes on.
  if (pumping_) return;
  pumping_ = true;
  while (wire_ && !waiting_ && !steps_.empty()) {
    Step& next = steps_.front();
    if (next.group && (next.group->refused || (next.group->reported && !next.remember))) {
      steps_.pop_front();
    } else if (!next.what) {
      auto group = std::move(next.group);
      steps_.pop_front();
      if (group) {
        finish(*group, {.messages = group->messages});
      } else {
        recovered_();
      }
    } else if (auto* known = find(*next.what); known && known->stands && known->what == *next.what) {
      steps_.pop_front();
    } else {
      waiting_ = true;
      send(*next.what);
    }
  }
  pumping_ = false;
}

void Declarer::send(const Declaration& what) {
  if (auto* exchange = std::get_if<ExchangeSpec>(&what)) {
    const std::string arguments = amqp::encode_table(exchange->arguments);
    amqp::ExchangeDeclare method;
    method.exchange = exchange->name;
    method.type = exchange->type;
    method.passive = exchange->passive;
    method.durable = exchange->durable;
    method.auto_delete = exchange->auto_delete;
    method.internal = exchange->internal;
    method.arguments = {arguments};
    wire_->send(channel_, method);
  } else if (auto* queue = std::get_if<QueueSpec>(&what)) {
    const std::string arguments = amqp::encode_table(queue->arguments);
    amqp::QueueDeclare method;
    method.queue = queue->name;
    method.passive = queue->passive;
    method.durable = queue->durable;
    method.exclusive = queue->exclusive;
    method.auto_delete = queue->auto_delete;
    method.arguments = {arguments};
    wire_->send(channel_, method);
  } else {
    const auto& binding = std::get<BindingSpec>(what);
    const std::string arguments = amqp::encode_table(binding.arguments);
    auto bind = [&](auto method) {
      method.routing_key = binding.routing_key;
      method.arguments = {arguments};
      if constexpr (std::is_same_v<decltype(method), amqp::QueueBind>) {
        method.queue = binding.destination;
        method.exchange = binding.source;
      } else {
        method.destination = binding.destination;
        method.source = binding.source;
      }
      wire_->send(channel_, method);
    };
    if (binding.to_exchange) {
      bind(amqp::ExchangeBind{});
    } else {
      bind(amqp::QueueBind{});
    }
  }
}

void Declarer::finish(Group& group, const Report& report) {
  if (std::exchange(group.reported, true)) return;
  if (auto done = std::exchange(group.done, {})) done(report);
}

Declarer::Remembered* Declarer::find(const Declaration& what) {
  auto at = std::find_if(remembered_.begin(), remembered_.end(),
                         [&](const Remembered& each) { return same_identity(each.what, what); });
  return at == remembered_.end() ? nullptr : &*at;
}

void Declarer::on_time(Monotonic now, const Report& late) {
  std::vector<std::shared_ptr<Group>> over;
  for (const Step& step : steps_) {
    if (!step.what && step.group && !step.group->reported && step.group->deadline <= now) over.push_back(step.group);
  }
  for (auto& group : over) finish(*group, late);
  if (!over.empty()) pump();
}

Monotonic Declarer::next_deadline() const {
  Monotonic next = Monotonic::max();
  for (const Step& step : steps_) {
    if (step.group && !step.group->reported) next = std::min(next, step.group->deadline);
  }
  return next;
}

void Declarer::fail_all(const Report& report) {
  std::vector<std::shared_ptr<Group>> over;
  for (const Step& step : steps_) {
    if (!step.what && step.group && !step.group->reported) over.push_back(step.group);
  }
  for (auto& group : over) finish(*group, report);
}

}  // namespace wherry::sdk

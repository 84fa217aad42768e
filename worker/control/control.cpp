#include "worker/control/control.h"

#include <utility>

#include "base/log.h"
#include "base/uuid.h"
#include "sdk/client/event.h"

namespace wherry::worker {

namespace {

WallTime control_now() {
  return std::chrono::system_clock::now();
}

}  // namespace

Control::Control(net::EventLoop& loop, sdk::Link& link, Steering& worker, std::function<void()> on_mingled)
    : link_(link),
      worker_(worker),
      on_mingled_(std::move(on_mingled)),
      unique_(make_uuid()),
      revoked_(worker.options().statedb, control_now()),
      events_(loop, link, clock_, worker.options().name, worker.options().task_events,
              [&worker] {
                Events::Load load;
                load.processed = worker.journal().total();
                worker.each_task(
                    [&](const Attempt&, Steering::Stage stage) { load.active += stage == Steering::Stage::active; });
                load.processed += load.active;
                return load;
              }),
      panel_(worker, events_, revoked_, clock_),
      mingle_timer_(loop),
      self_(std::make_shared<Control*>(this)) {}

Control::~Control() {
  *self_ = nullptr;
}

void Control::start() {
  sdk::Topology topology = mailbox_topology(worker_.options().name, unique_);
  for (sdk::Declaration& each : sdk::event_topology()) topology.push_back(std::move(each));
  link_.declare(std::move(topology), [self = self_](const sdk::Report& report) {
    Control* control = *self;
    if (control == nullptr || control->stopped_) return;
    if (!report.ok()) {
      log::warning("worker", "no remote control and no events: {}", report.text);
      return control->done_mingling();
    }
    sdk::Subscription what;
    what.queues = {command_queue(control->worker_.options().name, control->unique_), answer_queue(control->unique_)};
    what.prefetch = 0;
    what.scope = sdk::Subscription::Scope::consumer;
    what.no_ack = true;
    control->subscription_ = control->link_.subscribe(
        std::move(what), [control](const sdk::Delivery& delivery) { control->on_message(delivery); },
        [](const std::string& queue, const sdk::Report& refusal) {
          log::warning("worker", "no remote control until the next connection: queue '{}': {}", queue, refusal.text);
        });
  });
}

void Control::on_up() {
  if (subscription_ == 0 || stopped_) return;
  events_.online();
  ask_peers();
}

void Control::stop() {
  if (std::exchange(stopped_, true)) return;
  mingle_timer_.cancel();
  events_.offline();
  if (subscription_ != 0) link_.pause(subscription_);
}

void Control::on_message(const sdk::Delivery& delivery) {
  if (stopped_) return;
  if (delivery.queue == answer_queue(unique_)) return on_answer(delivery);
  on_command(delivery);
}

void Control::on_command(const sdk::Delivery& delivery) {
  const std::string& node = worker_.options().name;
  auto command = read_command(delivery, node);
  if (!command) return log::warning("worker", "a control command cannot be read: {}", command.error().message);
  clock_.adjust(command->clock);
  if (command->method.empty()) return;
  log::debug("worker", "control command {}", command->method);
  // Its own question: that it came back says that every worker has got it.
  const bool own = command->method == "hello" && command->reply_key == unique_;
  Result<task::Value> payload = own ? task::Value() : panel_.call(command->method, command->arguments);
  if (!payload) log::warning("worker", "control command {}: {}", command->method, payload.error().message);
  if (command->reply_key.empty()) return;
  task::Value answer = payload ? std::move(*payload) : task::Value::Map{{"error", payload.error().message}};
  auto message = answer_message(*command, node, std::move(answer), clock_.forward());
  if (!message) {
    task::Value::Map error{{"error", "the answer cannot be written: " + message.error().message}};
    message = answer_message(*command, node, std::move(error), clock_.forward());
  }
  if (message) link_.publish(std::move(*message));
}

// --- other workers ---------------------------------------------------------------------------------------------------

void Control::ask_peers() {
  ticket_ = make_uuid();
  task::Value::Map arguments{{"from_node", worker_.options().name}, {"revoked", revoked_.for_peer(control_now())}};
  auto question = command_message("hello", std::move(arguments), unique_, ticket_, clock_.forward());
  if (!question) return done_mingling();
  // A question that is lost must not keep the worker from its tasks.
  if (!mingled_) mingle_timer_.set(mingle_timeout, [this] { done_mingling(); });
  link_.publish(std::move(*question));
}

void Control::on_answer(const sdk::Delivery& delivery) {
  auto answer = read_answer(delivery, ticket_);
  if (!answer) return log::debug("worker", "an answer is not used: {}", answer.error().message);
  clock_.adjust(answer->clock);
  if (answer->payload.is_null()) {
    if (!mingled_) mingle_timer_.set(peers_answer, [this] { done_mingling(); });
    return;
  }
  if (answer->node == worker_.options().name && !std::exchange(namesake_, true)) {
    log::warning("worker", "another worker is called {} as well: tools cannot tell the two apart; see --name",
                 answer->node);
  }
  const task::Value* revoked = answer->payload.find("revoked");
  if (revoked == nullptr) return;
  const auto news = revoked_.merge(*revoked, control_now());
  log::info("worker", "{} is there too, and knows of {} more revoked task(s)", answer->node, news.size());
  if (!news.empty()) worker_.drop_revoked();
}

void Control::done_mingling() {
  if (std::exchange(mingled_, true)) return;
  mingle_timer_.cancel();
  if (auto tell = std::exchange(on_mingled_, nullptr)) tell();
}

}  // namespace wherry::worker

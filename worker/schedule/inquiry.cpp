#include "worker/schedule/inquiry.h"

#include <utility>

#include "base/iso8601.h"
#include "base/log.h"
#include "base/uuid.h"
#include "protocol/task/repr.h"

namespace wherry::schedule {

namespace {

constexpr int ticks_told = 3;

task::Value::Map refused(std::string why) {
  return {{"error", std::move(why)}};
}

task::Value::Map describe_entry(const Entry& entry, const State& state, const sdk::Router& router, WallTime now) {
  task::Value::Array next;
  for (auto tick = entry.timetable.next(now); tick && next.size() < ticks_told; tick = entry.timetable.next(*tick)) {
    next.emplace_back(format_iso8601(*tick));
  }
  const sdk::Route route = router.route(entry.task, entry.options);
  const auto seen = state.find(entry.name);
  const bool known = seen != state.end() && seen->second.timetable == entry.timetable.text();
  return {{"name", entry.name},
          {"task", entry.task},
          {"times", entry.timetable.text()},
          {"next", std::move(next)},
          {"seen_to", known ? task::Value(format_iso8601(seen->second.until)) : task::Value()},
          {"queue", route.queue.empty() ? task::Value() : task::Value(route.queue)},
          {"exchange", route.exchange ? task::Value(*route.exchange) : task::Value()},
          {"args", task::args_repr(entry.args)},
          {"kwargs", task::kwargs_repr(entry.kwargs)}};
}

}  // namespace

Inquiry::Inquiry(sdk::Link& link, const std::string& schedule, Answers answers)
    : link_(link),
      node_("schedule@" + schedule),
      unique_(make_uuid()),
      answers_(std::move(answers)),
      self_(std::make_shared<Inquiry*>(this)) {
  link_.declare(worker::command_topology(node_, unique_), [self = self_](const sdk::Report& report) {
    Inquiry* inquiry = *self;
    if (inquiry == nullptr) return;
    if (!report.ok()) return log::warning("schedule", "it cannot be asked what is due: {}", report.text);
    sdk::Subscription what{.queues = {worker::command_queue(inquiry->node_, inquiry->unique_)}, .prefetch = 0};
    what.no_ack = true;
    inquiry->link_.subscribe(std::move(what), [self](const sdk::Delivery& delivery) {
      if (*self) (*self)->on_message(delivery);
    });
  });
}

Inquiry::~Inquiry() {
  *self_ = nullptr;
}

void Inquiry::on_message(const sdk::Delivery& delivery) {
  const auto command = worker::read_command(delivery, node_);
  if (!command) return log::debug("schedule", "a control command cannot be read: {}", command.error().message);
  if (!answers_.active()) return;
  if (command->method == "schedule") return answer(*command, answers_.entries());
  if (command->method != "schedule_run") return;
  const task::Value* name = task::find(command->arguments, "name");
  const auto* text = name ? name->get<std::string>() : nullptr;
  if (text == nullptr) return answer(*command, refused("schedule_run wants the name of an entry"));
  answers_.run(*text, [self = self_, command = *command](Result<std::string> id) {
    if (*self == nullptr) return;
    (*self)->answer(command, id ? task::Value::Map{{"id", *id}} : refused(id.error().message));
  });
}

void Inquiry::answer(const worker::Command& command, task::Value payload) {
  if (command.reply_key.empty()) return;
  auto message = worker::answer_message(command, node_, std::move(payload), command.clock + 1);
  if (message) return link_.publish(std::move(*message));
  log::warning("schedule", "an answer cannot be written: {}", message.error().message);
}

task::Value describe_entries(const Settings& settings, const State& state, const sdk::Router& router,
                             const std::string& scheduler, WallTime now) {
  task::Value::Array entries;
  for (const Entry& each : settings.entries) {
    task::Value::Map entry = describe_entry(each, state, router, now);
    entry.emplace_back("scheduler", scheduler);
    entries.emplace_back(std::move(entry));
  }
  return entries;
}

}  // namespace wherry::schedule

#include "broker/tasks/event.h"

#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "protocol/task/repr.h"
#include "protocol/task/serializer.h"
#include "protocol/task/value.h"

namespace wherry::broker::tasks {

namespace {

constexpr std::pair<Kind, std::string_view> kinds[] = {
    {Kind::sent, "task-sent"},         {Kind::received, "task-received"},
    {Kind::started, "task-started"},   {Kind::succeeded, "task-succeeded"},
    {Kind::failed, "task-failed"},     {Kind::retried, "task-retried"},
    {Kind::revoked, "task-revoked"},   {Kind::rejected, "task-rejected"},
    {Kind::online, "worker-online"},   {Kind::heartbeat, "worker-heartbeat"},
    {Kind::offline, "worker-offline"},
};

// Up to the year 2100: what is later is no time of a clock.
constexpr double latest_s = 4'102'444'800.0;

const std::string* text_in(const task::Value& from, std::string_view key) {
  const task::Value* value = from.find(key);
  const std::string* text = value ? value->get<std::string>() : nullptr;
  return text && is_utf8(*text) ? text : nullptr;
}

std::optional<std::int64_t> integer_in(const task::Value& from, std::string_view key) {
  const task::Value* value = from.find(key);
  const auto* number = value ? value->get<std::int64_t>() : nullptr;
  if (number == nullptr) return std::nullopt;
  return *number;
}

std::optional<double> number_of(const task::Value* value) {
  if (value == nullptr) return std::nullopt;
  if (const auto* number = value->get<double>(); number && std::isfinite(*number)) return *number;
  if (const auto* whole = value->get<std::int64_t>()) return static_cast<double>(*whole);
  return std::nullopt;
}

// A name or an id: false where there is one that is none.
bool take_name(const task::Value& from, std::string_view key, std::string& into) {
  const task::Value* value = from.find(key);
  if (value == nullptr || value->is_null()) return true;
  const std::string* text = text_in(from, key);
  if (text == nullptr || text->size() > most_name) return false;
  into = *text;
  return true;
}

// A text as it is shown; Celery's workers send arguments and results as text, other programs may send the values.
std::optional<std::string> shown_in(const task::Value& from, std::string_view key, std::size_t most) {
  const task::Value* value = from.find(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->get<std::string>() != nullptr) {
    const std::string* text = text_in(from, key);
    return text ? std::optional(cut(*text, most)) : std::nullopt;
  }
  return cut(task::repr(*value, most), most);
}

void read_task(const task::Value& from, Event& event) {
  event.args = shown_in(from, "args", most_text);
  event.kwargs = shown_in(from, "kwargs", most_text);
  event.result = shown_in(from, "result", most_text);
  event.error = shown_in(from, "exception", most_text);
  event.traceback = shown_in(from, "traceback", most_traceback);
  event.eta = shown_in(from, "eta", 64).value_or("");
  event.expires = shown_in(from, "expires", 64).value_or("");
  if (const auto retries = integer_in(from, "retries"); retries && *retries >= 0) event.retries = retries;
  if (const auto runtime = number_of(from.find("runtime")); runtime && *runtime >= 0) event.runtime_s = runtime;
}

void read_worker(const task::Value& from, Event& event) {
  if (const auto every = number_of(from.find("freq")); every && *every > 0 && *every <= 86'400) event.every_s = every;
  event.active = integer_in(from, "active");
  event.processed = integer_in(from, "processed");
  event.software = shown_in(from, "sw_ident", 64).value_or("");
  event.version = shown_in(from, "sw_ver", 64).value_or("");
  event.system = shown_in(from, "sw_sys", 64).value_or("");
  const task::Value* load = from.find("loadavg");
  const auto* three = load ? load->get<task::Value::Array>() : nullptr;
  if (three == nullptr || three->size() != 3) return;
  std::array<double, 3> read{};
  for (std::size_t at = 0; at < 3; ++at) {
    const auto number = number_of(&(*three)[at]);
    if (!number) return;
    read[at] = *number;
  }
  event.load = read;
}

void read_one(const task::Value& from, WallTime arrived, Events& into) {
  const std::string* type = text_in(from, "type");
  if (type == nullptr) return void(++into.bad);
  Event event;
  const auto* known = std::begin(kinds);
  while (known != std::end(kinds) && known->second != *type) ++known;
  if (known == std::end(kinds)) return void(++into.unknown);
  event.kind = known->first;
  event.arrived = arrived;
  const auto stamp = number_of(from.find("timestamp"));
  const bool named = take_name(from, "hostname", event.host) && take_name(from, "uuid", event.id) &&
                     take_name(from, "name", event.name) && take_name(from, "root_id", event.root_id) &&
                     take_name(from, "parent_id", event.parent_id) && take_name(from, "queue", event.queue);
  if (!named || event.host.empty() || !stamp || *stamp < 0 || *stamp > latest_s) return void(++into.bad);
  // A double has no more than microseconds of such a time.
  event.at = WallTime(std::chrono::microseconds(std::llround(*stamp * 1e6)));
  event.clock = integer_in(from, "clock").value_or(0);
  event.pid = integer_in(from, "pid");
  if (is_of_task(event.kind)) {
    if (event.id.empty()) return void(++into.bad);
    read_task(from, event);
  } else {
    read_worker(from, event);
  }
  into.good.push_back(std::move(event));
}

}  // namespace

bool is_of_task(Kind kind) {
  return kind != Kind::online && kind != Kind::heartbeat && kind != Kind::offline;
}

std::string_view type_of(Kind kind) {
  for (const auto& [each, type] : kinds) {
    if (each == kind) return type;
  }
  return "";
}

std::string cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  constexpr std::string_view more = "...";
  return std::string(task::cut_utf8(text, most - more.size())).append(more);
}

Result<Events> read_events(const amqp::Properties& properties, std::string_view body, WallTime arrived) {
  if (body.size() > most_body) return fail(fmt::format("events of {} bytes are not looked at", body.size()));
  // Whoever compresses what anybody may send could make much of little.
  if (properties.headers && properties.headers->find("compression") != nullptr) {
    return fail("compressed events are not looked at");
  }
  auto value = task::decode_body(properties, body);
  if (!value) return fail(value.error().message);
  Events events;
  const auto* list = value->get<task::Value::Array>();
  if (list == nullptr) {
    if (value->get<task::Value::Map>() == nullptr) return fail("it is " + task::describe(*value) + ", no event");
    read_one(*value, arrived, events);
    return events;
  }
  for (const task::Value& each : *list) {
    if (events.good.size() + events.bad + events.unknown == most_events) {
      events.bad += list->size() - most_events;
      break;
    }
    if (each.get<task::Value::Map>() == nullptr) {
      ++events.bad;
    } else {
      read_one(each, arrived, events);
    }
  }
  return events;
}

}  // namespace wherry::broker::tasks

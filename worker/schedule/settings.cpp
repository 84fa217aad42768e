#include "worker/schedule/settings.h"

#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "protocol/task/fields.h"

namespace wherry::schedule {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);
// With the tick it is a task's id, which a message has room for up to 255 bytes.
constexpr std::size_t longest_name = 200;

task::Value to_task_value(const yaml::Value& from) {
  return std::visit(
      [](const auto& held) -> task::Value {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, yaml::Value::List>) {
          task::Value::Array out;
          for (const yaml::Value& each : held) out.push_back(to_task_value(each));
          return out;
        } else if constexpr (std::is_same_v<T, yaml::Entries>) {
          task::Value::Map out;
          for (const auto& [key, each] : held) out.emplace_back(key, to_task_value(each));
          return out;
        } else {
          return held;
        }
      },
      from.data);
}

CrontabFields read_fields(yaml::Map map) {
  CrontabFields fields;
  map.get("minute", fields.minute);
  map.get("hour", fields.hour);
  map.get("day_of_week", fields.day_of_week);
  map.get("day_of_month", fields.day_of_month);
  map.get("month_of_year", fields.month_of_year);
  return fields;
}

// Reads all three spellings, so that each key is known, and wants one.
std::optional<Timetable> read_timetable(yaml::Map& map, const std::string& zone) {
  std::optional<std::chrono::seconds> interval;
  std::optional<std::string> line;
  map.get("every", interval, 1s, longest);
  map.get("cron", line);
  const bool has_fields = map.has("crontab");
  const CrontabFields fields = read_fields(map.map("crontab"));
  if (map.has("every") + map.has("cron") + has_fields != 1) {
    map.error("an entry has one of 'every', 'cron' and 'crontab'");
    return std::nullopt;
  }
  if (map.has("every")) return interval ? std::optional(Timetable::every(*interval)) : std::nullopt;
  if (!line && !has_fields) return std::nullopt;
  auto made = line ? Timetable::cron(*line, zone) : Timetable::crontab(fields, zone);
  if (made) return *std::move(made);
  map.error(map.has("timezone") && made.error().message.find("time zone") != std::string::npos ? "timezone"
            : line                                                                             ? "cron"
                                                                                               : "crontab",
            made.error().message);
  return std::nullopt;
}

EnqueueOptions read_options(yaml::Map map) {
  EnqueueOptions out;
  map.get("queue", out.queue);
  map.get("exchange", out.exchange);
  map.get("routing_key", out.routing_key);
  map.get("priority", out.priority);
  map.get("expires", out.expires, 1ms, longest);
  map.get("time_limit", out.time_limit, 1ms, longest);
  map.get("soft_time_limit", out.soft_time_limit, 1ms, longest);
  map.choice<std::optional<Serializer>>("serializer", out.serializer,
                                        {{"msgpack", Serializer::msgpack}, {"json", Serializer::json}});
  yaml::Entries headers;
  map.tree("headers", headers);
  for (const auto& [name, value] : headers) {
    out.headers.emplace(name, to_task_value(value));
    if (auto field = task::to_field(out.headers.at(name)); !field) map.error("headers", field.error().message);
  }
  if (!out.queue.empty() && out.exchange) map.error("exchange", "'queue' and 'exchange' exclude each other");
  if (out.routing_key && !out.exchange) map.error("routing_key", "'routing_key' goes with an 'exchange'");
  for (const auto* text :
       {&out.queue, out.exchange ? &*out.exchange : nullptr, out.routing_key ? &*out.routing_key : nullptr}) {
    if (text && text->size() > 255) map.error("a queue, exchange or routing key has at most 255 bytes");
  }
  return out;
}

void read_catch_up(yaml::Map& map, CatchUp& into) {
  map.choice<CatchUp::Policy>(
      "catch_up", into.policy,
      {{"skip", CatchUp::Policy::skip}, {"last", CatchUp::Policy::last}, {"all", CatchUp::Policy::all}});
  map.get("catch_up_limit", into.limit, 1, 10'000);
  map.get("grace", into.grace, 1s, 24h);
}

void read_entry(const std::string& name, yaml::Map& map, const std::string& zone, const CatchUp& catch_up,
                Settings& into) {
  if (name.empty() || name.size() > longest_name || !is_utf8(name)) {
    map.error(fmt::format("an entry's name is UTF-8 of 1 to {} bytes", longest_name));
  }
  bool enabled = true;
  map.get("enabled", enabled);
  std::string own_zone = zone;
  map.get("timezone", own_zone);
  auto timetable = read_timetable(map, own_zone);
  std::string task;
  if (map.required("task", task) && task.empty()) map.error("task", "a task needs a name");
  yaml::Value::List args;
  map.list("args", args);
  yaml::Entries kwargs;
  map.tree("kwargs", kwargs);
  yaml::Map where = map.map("options");
  EnqueueOptions options = read_options(where);
  CatchUp own_catch_up = catch_up;
  read_catch_up(map, own_catch_up);
  if (!enabled || !timetable) return;
  const bool options_has_queue = !options.queue.empty();
  Entry entry{.name = name,
              .timetable = *std::move(timetable),
              .task = std::move(task),
              .options = std::move(options),
              .catch_up = own_catch_up,
              .place = where.place(options_has_queue ? "queue" : "exchange")};
  for (const yaml::Value& each : args) entry.args.push_back(to_task_value(each));
  for (const auto& [key, each] : kwargs) entry.kwargs.emplace_back(key, to_task_value(each));
  into.entries.push_back(std::move(entry));
}

}  // namespace

Settings read_schedule(yaml::Document& document) {
  Settings out;
  yaml::Map root = document.root();
  root.get("name", out.name);
  // The exchange for another exchange's entries is called by both names, so that both must fit together.
  if (out.name.empty() || out.name.size() > 100) root.error("name", "a name of 1 to 100 bytes");
  std::string zone = "UTC";
  root.get("timezone", zone);
  if (auto known = Timetable::cron("@daily", zone); !known) {
    root.error("timezone", known.error().message);
    zone = "UTC";
  }
  CatchUp catch_up;
  read_catch_up(root, catch_up);
  auto entries = root.entries("beat_schedule");
  if (entries.size() > most_entries) {
    root.error("beat_schedule", fmt::format("{} entries; at most {}", entries.size(), most_entries));
  }
  for (auto& [name, map] : entries) read_entry(name, map, zone, catch_up, out);
  return out;
}

Result<Settings> load_schedule(const std::string& path, Environment environment) {
  yaml::Document document = yaml::Document::load(path, std::move(environment));
  Settings settings = read_schedule(document);
  if (auto read = document.finish(); !read) return tl::unexpected(read.error());
  return settings;
}

}  // namespace wherry::schedule

#include "broker/admin/task_rows.h"

#include "base/iso8601.h"

namespace wherry::broker::admin {

namespace {

constexpr std::size_t most_children = 200;

FieldValue time_or_null(const std::optional<WallTime>& time) {
  return time ? FieldValue(format_iso8601(*time)) : FieldValue();
}
FieldValue text_or_null(const std::string& text) {
  return text.empty() ? FieldValue() : FieldValue(text);
}
template <class T>
FieldValue or_null(const std::optional<T>& value) {
  return value ? FieldValue(*value) : FieldValue();
}

Table brief(const tasks::Life& life) {
  Table row;
  put(row, "id", life.id());
  put(row, "name", text_or_null(life.name()));
  put(row, "state", std::string(tasks::name_of(life.state())));
  return row;
}

FieldArray attempts_of(const tasks::Life& life, Contents contents) {
  FieldArray rows;
  std::uint64_t number = life.attempts_left_out();
  for (const tasks::Attempt& each : life.attempts()) {
    Table row;
    put(row, "attempt", count(++number));
    put(row, "worker", each.worker);
    put(row, "received", time_or_null(each.received));
    put(row, "started", time_or_null(each.started));
    put(row, "ended", time_or_null(each.ended));
    put(row, "outcome", each.outcome ? FieldValue(std::string(tasks::name_of(*each.outcome))) : FieldValue());
    put(row, "runtime", or_null(each.runtime_s));
    if (contents == Contents::shown) {
      put(row, "error", or_null(each.error));
      put(row, "traceback", or_null(each.traceback));
    }
    rows.emplace_back(std::move(row));
  }
  return rows;
}

FieldArray steps_of(const tasks::Life& life) {
  FieldArray rows;
  for (const tasks::Step& each : life.steps()) {
    Table row;
    put(row, "type", std::string(tasks::type_of(each.kind)));
    put(row, "at", format_iso8601(each.at));
    put(row, "worker", each.host);
    rows.emplace_back(std::move(row));
  }
  return rows;
}

FieldArray buckets_of(const tasks::RunTimes& times) {
  FieldArray rows;
  std::uint64_t below = 0;
  for (std::size_t at = 0; at < times.counts.size(); ++at) {
    below += times.counts[at];
    Table row;
    put(row, "le", at < times.bounds.size() ? FieldValue(times.bounds[at]) : FieldValue());
    put(row, "count", count(below));
    rows.emplace_back(std::move(row));
  }
  return rows;
}

Table runtime_of(const tasks::RunTimes& times) {
  const bool measured = times.count > 0;
  Table row;
  put(row, "count", count(times.count));
  put(row, "mean", measured ? FieldValue(times.sum / static_cast<double>(times.count)) : FieldValue());
  put(row, "least", measured ? FieldValue(times.least) : FieldValue());
  put(row, "most", measured ? FieldValue(times.most) : FieldValue());
  put(row, "buckets", buckets_of(times));
  return row;
}

Table counted(const std::array<std::size_t, tasks::states>& counts) {
  Table row;
  for (std::size_t at = 0; at < counts.size(); ++at) {
    row.entries().emplace_back(tasks::name_of(static_cast<tasks::State>(at)), count(counts[at]));
  }
  return row;
}

}  // namespace

Table task_row(const tasks::Life& life, Contents contents) {
  Table row = brief(life);
  put(row, "worker", text_or_null(life.worker()));
  put(row, "queue", text_or_null(life.queue()));
  put(row, "sent", time_or_null(life.sent()));
  put(row, "received", time_or_null(life.received()));
  put(row, "started", time_or_null(life.started()));
  put(row, "ended", time_or_null(life.ended()));
  put(row, "updated", format_iso8601(life.updated()));
  put(row, "retries", life.retries());
  put(row, "runtime", or_null(life.runtime_s()));
  put(row, "eta", text_or_null(life.eta()));
  put(row, "expires", text_or_null(life.expires()));
  put(row, "root_id", text_or_null(life.root_id()));
  put(row, "parent_id", text_or_null(life.parent_id()));
  if (contents == Contents::hidden) return row;
  put(row, "args", life.args());
  put(row, "kwargs", life.kwargs());
  put(row, "result", or_null(life.result()));
  put(row, "error", or_null(life.error()));
  return row;
}

Table whole_task(const tasks::Memory& memory, const tasks::Life& life, Contents contents) {
  Table row = task_row(life, contents);
  put(row, "attempts", attempts_of(life, contents));
  put(row, "attempts_left_out", count(life.attempts_left_out()));
  put(row, "steps", steps_of(life));
  FieldArray children;
  for (const tasks::Life* each : memory.children(life.id(), most_children)) children.emplace_back(brief(*each));
  put(row, "children", std::move(children));
  const tasks::Life* parent = life.parent_id().empty() ? nullptr : memory.find(life.parent_id());
  put(row, "parent", parent ? FieldValue(brief(*parent)) : FieldValue());
  return row;
}

FieldArray task_name_rows(const tasks::Memory& memory) {
  const auto states = memory.states_by_name();
  FieldArray rows;
  for (const auto& [name, figures] : memory.tally().names()) {
    Table row;
    put(row, "name", name);
    put(row, "sent", count(figures.sent));
    put(row, "received", count(figures.received));
    put(row, "started", count(figures.started));
    put(row, "succeeded", count(figures.succeeded));
    put(row, "failed", count(figures.failed));
    put(row, "retried", count(figures.retried));
    put(row, "revoked", count(figures.revoked));
    put(row, "rejected", count(figures.rejected));
    const auto found = states.find(name);
    put(row, "states", counted(found == states.end() ? std::array<std::size_t, tasks::states>{} : found->second));
    put(row, "runtime", runtime_of(figures.runtime));
    put(row, "last", format_iso8601(figures.last));
    rows.emplace_back(std::move(row));
  }
  return rows;
}

Table state_counts(const tasks::Memory& memory) {
  return counted(memory.by_state());
}

Table worker_row(const std::string& name, const tasks::Worker* worker, WallTime now) {
  static const tasks::Worker unknown;
  const tasks::Worker& it = worker ? *worker : unknown;
  Table row;
  put(row, "name", name);
  put(row, "online", worker != nullptr && it.online(now));
  put(row, "heartbeat", time_or_null(it.heartbeat));
  put(row, "heartbeat_every", or_null(it.every_s));
  put(row, "active", or_null(it.active));
  put(row, "processed", or_null(it.processed));
  FieldValue load;
  if (it.load) load = FieldArray{FieldValue((*it.load)[0]), FieldValue((*it.load)[1]), FieldValue((*it.load)[2])};
  put(row, "load", std::move(load));
  put(row, "software", text_or_null(it.software));
  put(row, "version", text_or_null(it.version));
  put(row, "system", text_or_null(it.system));
  put(row, "pid", or_null(it.pid));
  put(row, "task_events", it.task_events);
  return row;
}

}  // namespace wherry::broker::admin

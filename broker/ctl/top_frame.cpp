#include "broker/ctl/top_frame.h"

#include <algorithm>
#include <map>
#include <vector>

#include <fmt/format.h>

namespace wherry::broker::ctl {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

namespace {

const FieldValue* value_at(const Table& row, std::string_view path) {
  const std::size_t dot = path.find('.');
  const FieldValue* value = row.find(path.substr(0, dot));
  if (value == nullptr || dot == path.npos) return value;
  const Table* inner = value->get<Table>();
  return inner ? value_at(*inner, path.substr(dot + 1)) : nullptr;
}

double figure(const Table& row, std::string_view path) {
  const FieldValue* value = value_at(row, path);
  if (value == nullptr) return 0;
  if (const auto* real = value->get<double>()) return *real;
  std::int64_t whole = 0;
  return value->integer(whole) ? static_cast<double>(whole) : 0;
}

std::string word(const Table& row, std::string_view name) {
  const std::string* text = row.string(name);
  return text ? *text : std::string();
}

using ByName = std::map<std::string, const Table*>;
ByName by_name(const FieldArray& rows) {
  ByName out;
  for (const FieldValue& each : rows) {
    if (const Table* row = each.get<Table>()) out[word(*row, "name")] = row;
  }
  return out;
}

// One thing, then and now.
struct Pair {
  const Table* before;
  const Table& now;
  double seconds;

  double rate(std::string_view path) const {
    if (before == nullptr || seconds <= 0) return 0;
    return std::max(0.0, figure(now, path) - figure(*before, path)) / seconds;
  }
};

void copy(Table& out, const Table& from, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const FieldValue* value = from.find(name);
    out.set(name, value ? *value : FieldValue());
  }
}

Table queue_row(const Pair& queue) {
  Table row;
  copy(row, queue.now, {"name", "messages_ready", "messages_unacknowledged", "consumers"});
  row.set("publish_rate", queue.rate("message_stats.publish"));
  row.set("deliver_rate", queue.rate("message_stats.deliver_get"));
  row.set("ack_rate", queue.rate("message_stats.ack"));
  return row;
}

Table connection_row(const Pair& connection) {
  Table row;
  copy(row, connection.now, {"name", "user", "state", "channels"});
  row.set("receive_rate", connection.rate("recv_oct"));
  row.set("send_rate", connection.rate("send_oct"));
  return row;
}

Table task_row(const Pair& task) {
  const auto sum = [](const Table& row) { return figure(row, "runtime.count") * figure(row, "runtime.mean"); };
  Table row;
  copy(row, task.now, {"name", "started", "failed", "retried"});
  row.set("rate", task.rate("started"));
  row.set("failure_rate", task.rate("failed"));
  // Of those that ended between the looks; of all where none did.
  const double ended = task.before ? figure(task.now, "runtime.count") - figure(*task.before, "runtime.count") : 0;
  row.set("runtime",
          ended > 0 ? std::max(0.0, sum(task.now) - sum(*task.before)) / ended : figure(task.now, "runtime.mean"));
  return row;
}

struct Order {
  std::initializer_list<const char*> depth, rate;
};

double total(const Table& row, std::initializer_list<const char*> names) {
  double sum = 0;
  for (const char* name : names) sum += figure(row, name);
  return sum;
}

FieldArray rows_of(const FieldArray& before, const FieldArray& now, double seconds, Table (*make)(const Pair& pair),
                   TopSort sort, const Order& order) {
  const ByName then = by_name(before);
  std::vector<Table> rows;
  for (const auto& [name, row] : by_name(now)) {
    const auto found = then.find(name);
    rows.push_back(make({found == then.end() ? nullptr : found->second, *row, seconds}));
  }
  if (sort != TopSort::name) {
    const auto& keys = sort == TopSort::depth ? order.depth : order.rate;
    std::stable_sort(rows.begin(), rows.end(),
                     [&](const Table& a, const Table& b) { return total(a, keys) > total(b, keys); });
  }
  FieldArray out;
  for (Table& row : rows) out.emplace_back(std::move(row));
  return out;
}

// --- as text ---------------------------------------------------------------------------------------------------------

std::string si(double value, const char* unit = "") {
  const char* const steps[] = {"", "k", "M", "G", "T"};
  std::size_t step = 0;
  while (value >= 9999.5 && step + 1 < std::size(steps)) value /= 1000, ++step;
  return value < 10 && value != static_cast<double>(static_cast<long>(value))
             ? fmt::format("{:.1f}{}{}", value, steps[step], unit)
             : fmt::format("{:.0f}{}{}", value, steps[step], unit);
}

std::string length_of_time(double seconds) {
  return seconds < 1 ? fmt::format("{:.0f} ms", seconds * 1000) : fmt::format("{:.1f} s", seconds);
}

// Cut to so many characters, without what a terminal would obey: C0, DEL, and C1 as UTF-8 has it.
std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  std::size_t characters = 0, kept = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool goes_on = (byte & 0xC0) == 0x80;
    if (!goes_on && ++characters > most) return out.substr(0, kept) + "…";
    if (!goes_on && characters == most) kept = out.size();
    const bool c1 = byte == 0xC2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    if (c1) ++at;
    out += c1 || byte < 0x20 || byte == 0x7F ? '?' : text[at];
  }
  return out;
}

struct Shown {
  const char* title;
  std::string (*text)(const Table& row);
};

constexpr std::size_t cell_width = 10;
constexpr std::size_t most_cells = 6;

// Right of the name, in columns.
std::vector<std::string> section(const char* what, const FieldArray& rows, const std::vector<Shown>& columns,
                                 std::size_t width) {
  std::vector<std::string> lines;
  std::string head = fmt::format("{:<{}}", fmt::format("{} ({})", what, rows.size()), width + 2);
  for (const Shown& each : columns) head += fmt::format("{:>{}}", each.title, cell_width);
  lines.push_back(std::move(head));
  for (const FieldValue& each : rows) {
    const Table& row = *each.get<Table>();
    std::string line = fmt::format("{:<{}}", printable(word(row, "name"), width), width + 2);
    for (const Shown& column : columns)
      line += fmt::format("{:>{}}", printable(column.text(row), cell_width - 2), cell_width);
    lines.push_back(std::move(line));
  }
  return lines;
}

const FieldArray& list(const Table& frame, const char* name) {
  static const FieldArray none;
  const FieldValue* value = frame.find(name);
  const FieldArray* rows = value ? value->get<FieldArray>() : nullptr;
  return rows ? *rows : none;
}

// All that the names need; on a terminal what the other columns leave.
std::size_t name_width(const Table& frame, std::size_t columns) {
  std::size_t longest = 17;
  for (const char* kind : {"queues", "tasks", "connections"}) {
    for (const FieldValue& each : list(frame, kind))
      longest = std::max(longest, word(*each.get<Table>(), "name").size());
  }
  constexpr std::size_t others = most_cells * cell_width + 3;
  return columns == 0 ? longest : std::min(longest, std::max<std::size_t>(columns, others + 12) - others);
}

}  // namespace

std::optional<TopSort> parse_top_sort(std::string_view text) {
  if (text == "depth") return TopSort::depth;
  if (text == "rate") return TopSort::rate;
  if (text == "name") return TopSort::name;
  return std::nullopt;
}

Table top_frame(const TopLook& before, const TopLook& now, double seconds, TopSort sort) {
  Table frame;
  frame.set("seconds", seconds);
  frame.set("sort", std::string(sort == TopSort::depth ? "depth" : sort == TopSort::rate ? "rate" : "name"));
  frame.set("queues", rows_of(before.queues, now.queues, seconds, queue_row, sort,
                              {{"messages_ready", "messages_unacknowledged"}, {"publish_rate", "deliver_rate"}}));
  frame.set("connections", rows_of(before.connections, now.connections, seconds, connection_row, sort,
                                   {{"channels"}, {"receive_rate", "send_rate"}}));
  frame.set("tasks", rows_of(before.tasks, now.tasks, seconds, task_row, sort, {{"started"}, {"rate"}}));
  if (!now.no_tasks.empty()) frame.set("no_tasks", now.no_tasks);
  return frame;
}

std::string top_text(const Table& frame, TopSize size) {
  const std::size_t width = name_width(frame, size.columns);
  std::vector<std::vector<std::string>> sections;
  sections.push_back(section("queues", list(frame, "queues"),
                             {{"ready", [](const Table& row) { return si(figure(row, "messages_ready")); }},
                              {"unacked", [](const Table& row) { return si(figure(row, "messages_unacknowledged")); }},
                              {"in/s", [](const Table& row) { return si(figure(row, "publish_rate")); }},
                              {"out/s", [](const Table& row) { return si(figure(row, "deliver_rate")); }},
                              {"ack/s", [](const Table& row) { return si(figure(row, "ack_rate")); }},
                              {"consumers", [](const Table& row) { return si(figure(row, "consumers")); }}},
                             width));
  sections.push_back(section("tasks", list(frame, "tasks"),
                             {{"runs/s", [](const Table& row) { return si(figure(row, "rate")); }},
                              {"run time", [](const Table& row) { return length_of_time(figure(row, "runtime")); }},
                              {"fails/s", [](const Table& row) { return si(figure(row, "failure_rate")); }},
                              {"failed", [](const Table& row) { return si(figure(row, "failed")); }},
                              {"retried", [](const Table& row) { return si(figure(row, "retried")); }},
                              {"started", [](const Table& row) { return si(figure(row, "started")); }}},
                             width));
  if (const std::string why = word(frame, "no_tasks"); !why.empty())
    sections.back() = {"tasks: " + printable(why, 200)};
  sections.push_back(section("connections", list(frame, "connections"),
                             {{"user", [](const Table& row) { return word(row, "user"); }},
                              {"state", [](const Table& row) { return word(row, "state"); }},
                              {"in B/s", [](const Table& row) { return si(figure(row, "receive_rate")); }},
                              {"out B/s", [](const Table& row) { return si(figure(row, "send_rate")); }},
                              {"channels", [](const Table& row) { return si(figure(row, "channels")); }}},
                             width));
  // Where there is not room for all: what one section leaves, the others have.
  std::size_t room = size.lines == 0 ? SIZE_MAX : size.lines - std::min(size.lines, sections.size() - 1);
  std::string text;
  for (std::size_t at = 0; at < sections.size(); ++at) {
    const std::size_t share = std::min(sections[at].size(), std::max<std::size_t>(room / (sections.size() - at), 1));
    if (at > 0) text += '\n';
    for (std::size_t line = 0; line < share; ++line) {
      text += size.columns == 0 ? sections[at][line] : printable(sections[at][line], size.columns - 1);
      text += '\n';
    }
    room -= std::min(room, share);
  }
  return text;
}

}  // namespace wherry::broker::ctl

#include "protocol/task/envelope.h"

#include <algorithm>
#include <array>

#include <unistd.h>

#include "base/assert.h"
#include "protocol/task/convert.h"
#include "protocol/task/fields.h"
#include "protocol/task/iso8601.h"
#include "protocol/task/repr.h"

namespace wherry::task {

namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 20> own_headers = {"lang",
                                                          "task",
                                                          "id",
                                                          "shadow",
                                                          "eta",
                                                          "expires",
                                                          "group",
                                                          "group_index",
                                                          "retries",
                                                          "timelimit",
                                                          "root_id",
                                                          "parent_id",
                                                          "argsrepr",
                                                          "kwargsrepr",
                                                          "origin",
                                                          "ignore_result",
                                                          "replaced_task_nesting",
                                                          "stamped_headers",
                                                          "stamps",
                                                          "compression"};

bool is_own(std::string_view name) {
  return std::find(own_headers.begin(), own_headers.end(), name) != own_headers.end();
}

// --- writing --------------------------------------------------------------------------------------------------------

Value text_or_null(const std::string& text) {
  return text.empty() ? Value() : Value(text);
}
Value time_or_null(const std::optional<WallTime>& time) {
  return time ? Value(format_iso8601(*time)) : Value();
}

Value::Map headers_of(const Task& task) {
  return {
      {"lang", task.lang},
      {"task", task.name},
      {"id", task.id},
      {"shadow", text_or_null(task.shadow)},
      {"eta", time_or_null(task.eta)},
      {"expires", time_or_null(task.expires)},
      {"group", text_or_null(task.group)},
      {"group_index", to_value(task.group_index)},
      {"retries", task.retries},
      {"timelimit", Value::Array{to_value(task.time_limit), to_value(task.soft_time_limit)}},
      {"root_id", task.root_id.empty() ? task.id : task.root_id},
      {"parent_id", text_or_null(task.parent_id)},
      {"argsrepr", task.argsrepr.empty() ? args_repr(task.args) : task.argsrepr},
      {"kwargsrepr", task.kwargsrepr.empty() ? kwargs_repr(task.kwargs) : task.kwargsrepr},
      {"origin", task.origin.empty() ? default_origin() : task.origin},
      {"ignore_result", task.ignore_result},
      {"replaced_task_nesting", task.replaced_task_nesting},
      {"stamped_headers", task.stamped_headers},
      {"stamps", task.stamps},
  };
}

// --- reading --------------------------------------------------------------------------------------------------------

// Reads members of a header table or of a version 1 body; remembers the first that is wrong.
class Members {
 public:
  explicit Members(const Value::Map& map, std::string_view what) : map_(map), what_(what) {}

  // false: missing or null, or wrong.
  template <class T>
  bool read(std::string_view name, T& into) {
    const Value* value = find(map_, name);
    if (value == nullptr || value->is_null()) return false;
    auto read = from_value<T>(*value);
    if (read) {
      into = std::move(*read);
      return true;
    }
    wrong(name, read.error().message);
    return false;
  }
  template <class T>
  void read(std::string_view name, std::optional<T>& into) {
    if (T value{}; read(name, value)) into = std::move(value);
  }
  void keep(std::string_view name, Value& into) {
    if (const Value* value = find(map_, name)) into = *value;
  }
  void wrong(std::string_view name, std::string_view why) {
    if (error_.empty()) error_.append(what_).append(" '").append(name).append("': ").append(why);
  }

  const std::string& error() const { return error_; }

 private:
  const Value::Map& map_;
  std::string_view what_;
  std::string error_;
};

tl::unexpected<DecodeError> not_a_task(std::string message) {
  return tl::unexpected(DecodeError{DecodeError::Kind::not_a_task, std::move(message)});
}

// Those that headers (version 2) and body (version 1) have alike.
void read_common(Members& in, Task& task) {
  in.read("task", task.name);
  in.read("id", task.id);
  in.read("eta", task.eta);
  in.read("expires", task.expires);
  in.read("group", task.group);
  in.read("group_index", task.group_index);
  in.read("retries", task.retries);
  std::pair<std::optional<milliseconds>, std::optional<milliseconds>> limits;
  if (in.read("timelimit", limits)) std::tie(task.time_limit, task.soft_time_limit) = limits;
}

void read_headers(Members& in, Task& task) {
  read_common(in, task);
  in.read("root_id", task.root_id);
  in.read("parent_id", task.parent_id);
  in.read("shadow", task.shadow);
  in.read("ignore_result", task.ignore_result);
  in.read("replaced_task_nesting", task.replaced_task_nesting);
  in.keep("stamped_headers", task.stamped_headers);
  in.read("stamps", task.stamps);
  in.read("lang", task.lang);
  in.read("origin", task.origin);
  in.read("argsrepr", task.argsrepr);
  in.read("kwargsrepr", task.kwargsrepr);
}

void read_embed(const Value::Map& map, Embed& embed) {
  Members in(map, "embed");
  in.keep("callbacks", embed.callbacks);
  in.keep("errbacks", embed.errbacks);
  in.keep("chain", embed.chain);
  in.keep("chord", embed.chord);
}

// Empty, or why the body of version 2 is wrong.
std::string read_body(Value& body, Task& task) {
  auto* parts = body.get<Value::Array>();
  if (parts == nullptr || parts->size() != 3) return "expected [args, kwargs, embed], got " + describe(body);
  auto* args = (*parts)[0].get<Value::Array>();
  auto* kwargs = (*parts)[1].get<Value::Map>();
  if (args == nullptr) return "args: expected an array, got " + describe((*parts)[0]);
  if (kwargs == nullptr) return "kwargs: expected a map, got " + describe((*parts)[1]);
  task.args = std::move(*args);
  task.kwargs = std::move(*kwargs);
  const Value& embed = (*parts)[2];
  if (const auto* map = embed.get<Value::Map>()) {
    read_embed(*map, task.embed);
  } else if (!embed.is_null()) {
    return "embed: expected a map, got " + describe(embed);
  }
  return {};
}

std::string read_version_1(const Value& body, Task& task) {
  const auto* map = body.get<Value::Map>();
  if (map == nullptr) return "no header 'task', and the body is " + describe(body);
  if (find(*map, "task") == nullptr) return "no header 'task', and none in the body";
  Members in(*map, "body's");
  read_common(in, task);
  in.read("args", task.args);
  in.read("kwargs", task.kwargs);
  if (task.group.empty()) in.read("taskset", task.group);
  read_embed(*map, task.embed);
  task.lang = "py";
  return in.error();
}

void read_properties(const amqp::Properties& from, Task& task) {
  task.reply_to = from.reply_to.value_or("");
  task.correlation_id = from.correlation_id.value_or("");
  task.priority = from.priority.value_or(0);
  task.durable = from.delivery_mode.value_or(2) == 2;
}

}  // namespace

Result<EncodedTask> encode(const Task& task, WallTime now) {
  WHERRY_ASSERT(!task.name.empty() && !task.id.empty());
  EncodedTask out;
  amqp::Properties& properties = out.properties;
  properties.content_type = content_type(task.serializer);
  properties.content_encoding = content_encoding(task.serializer);
  properties.delivery_mode = task.durable ? 2 : 1;
  properties.priority = task.priority;
  properties.correlation_id = task.correlation_id.empty() ? task.id : task.correlation_id;
  properties.reply_to = task.reply_to;
  if (task.expires) properties.expiration = std::to_string(until(*task.expires, now).count());

  auto headers = to_field(headers_of(task));
  if (!headers) return fail("header: " + headers.error().message);
  amqp::Table table = std::move(*std::get_if<amqp::Table>(&headers->value));
  for (const auto& [name, value] : task.headers.entries()) {
    if (!is_own(name)) table.entries().emplace_back(name, value);
  }
  properties.headers = std::move(table);

  const Value::Map embed{{"callbacks", task.embed.callbacks},
                         {"errbacks", task.embed.errbacks},
                         {"chain", task.embed.chain},
                         {"chord", task.embed.chord}};
  auto body = encode_body(Value::Array{task.args, task.kwargs, embed}, task.serializer);
  if (!body) return fail("arguments: " + body.error().message);
  out.body = std::move(*body);
  return out;
}

Result<Task, DecodeError> decode(const amqp::Properties& properties, std::string_view body) {
  auto value = decode_body(properties, body);
  if (!value) return tl::unexpected(std::move(value.error()));
  Task task;
  task.serializer = *serializer_of(properties);
  read_properties(properties, task);

  const amqp::Table none;
  const amqp::Table& table = properties.headers ? *properties.headers : none;
  for (const auto& [name, field] : table.entries()) {
    if (!is_own(name)) task.headers.entries().emplace_back(name, field);
  }

  std::string error;
  if (table.find("task") != nullptr) {
    const Value headers = from_field(amqp::FieldValue(table));
    Members in(*headers.get<Value::Map>(), "header");
    read_headers(in, task);
    error = in.error();
    if (error.empty()) error = read_body(*value, task);
  } else {
    error = read_version_1(*value, task);
  }
  if (!error.empty()) return not_a_task(std::move(error));
  if (task.name.empty()) return not_a_task("the task has no name");
  if (task.id.empty()) return not_a_task("task '" + task.name + "' has no id");
  if (task.root_id.empty()) task.root_id = task.id;
  return task;
}

const std::string& default_origin() {
  static const std::string origin = [] {
    char host[256] = {};
    if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    return "gen" + std::to_string(getpid()) + "@" + host;
  }();
  return origin;
}

}  // namespace wherry::task

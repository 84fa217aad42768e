#include "protocol/task/envelope.h"

#include <algorithm>
#include <array>

#include <unistd.h>

#include "base/assert.h"
#include "base/iso8601.h"
#include "protocol/task/convert.h"
#include "protocol/task/fields.h"
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

constexpr std::size_t index_of(std::string_view name) {
  return static_cast<std::size_t>(std::find(own_headers.begin(), own_headers.end(), name) - own_headers.begin());
}

// The name of one of them, found in the list when this is compiled.
struct Name {
  consteval Name(const char* name) : text(name), index(index_of(name)) {}
  std::string_view text;
  std::size_t index;
};

// An array of two nulls.
constexpr std::string_view no_limits = "VV";

// --- writing --------------------------------------------------------------------------------------------------------

// The protocol's own, then the task's others, as the bytes of a table: every task that is sent comes here.
Result<std::string> headers_of(const Task& task) {
  std::string pairs;
  pairs.reserve(640);
  amqp::PairWriter to(pairs);
  const auto text_or_null = [&](std::string_view name, const std::string& text) {
    text.empty() ? to.null(name) : to.text(name, text);
  };
  const auto time_or_null = [&](std::string_view name, const std::optional<WallTime>& time) {
    time ? to.text(name, format_iso8601(*time)) : to.null(name);
  };
  std::string refused;
  const auto convert = [&](std::string_view name, const Value& value) {
    if (value.is_null()) return to.null(name);
    auto field = to_field(value);
    if (field) return to.value(name, *field);
    if (refused.empty()) refused = std::move(field.error().message);
  };
  to.text("lang", task.lang);
  to.text("task", task.name);
  to.text("id", task.id);
  text_or_null("shadow", task.shadow);
  time_or_null("eta", task.eta);
  time_or_null("expires", task.expires);
  text_or_null("group", task.group);
  convert("group_index", to_value(task.group_index));
  to.integer("retries", task.retries);
  if (task.time_limit || task.soft_time_limit) {
    convert("timelimit", Value::Array{to_value(task.time_limit), to_value(task.soft_time_limit)});
  } else {
    to.nested("timelimit", 'A', no_limits);
  }
  to.text("root_id", task.root_id.empty() ? task.id : task.root_id);
  text_or_null("parent_id", task.parent_id);
  to.text("argsrepr", task.argsrepr.empty() ? args_repr(task.args) : task.argsrepr);
  to.text("kwargsrepr", task.kwargsrepr.empty() ? kwargs_repr(task.kwargs) : task.kwargsrepr);
  to.text("origin", task.origin.empty() ? default_origin() : task.origin);
  to.boolean("ignore_result", task.ignore_result);
  to.integer("replaced_task_nesting", task.replaced_task_nesting);
  convert("stamped_headers", task.stamped_headers);
  if (task.stamps.empty()) {
    to.nested("stamps", 'F', {});
  } else {
    convert("stamps", task.stamps);
  }
  if (!refused.empty()) return fail("header: " + refused);
  for (const auto& [name, value] : task.headers.entries()) {
    if (index_of(name) == own_headers.size()) to.value(name, value);
  }
  if (task.compression != Compression::none) to.text("compression", mime_type(task.compression));
  return pairs;
}

// Takes what is in the body from the task.
Value body_of(Task& task) {
  Value::Map embed;
  embed.reserve(4);
  embed.emplace_back("callbacks", std::move(task.embed.callbacks));
  embed.emplace_back("errbacks", std::move(task.embed.errbacks));
  embed.emplace_back("chain", std::move(task.embed.chain));
  embed.emplace_back("chord", std::move(task.embed.chord));
  Value::Array body;
  body.reserve(3);
  body.emplace_back(std::move(task.args));
  body.emplace_back(std::move(task.kwargs));
  body.emplace_back(std::move(embed));
  return body;
}

// --- reading --------------------------------------------------------------------------------------------------------

// A message's headers sorted into the protocol's own, by their place in own_headers, and the others. Of a name that is
// there twice the last counts, as Python reads them. A view of the bytes that it was made of.
class OwnHeaders {
 public:
  OwnHeaders(std::string_view pairs, amqp::Table& others) {
    // Written in the list's order, as they mostly are, each is found at once.
    std::size_t next = 0;
    amqp::each_pair({pairs}, [&](std::string_view name, const amqp::FieldView& value) {
      const std::size_t index = next < own_headers.size() && own_headers[next] == name ? next : index_of(name);
      if (index == own_headers.size()) {
        others.entries().emplace_back(name, value.value());
      } else {
        own_[index] = value;
        there_ |= 1u << index;
        next = index + 1;
      }
    });
  }
  const amqp::FieldView* find(Name name) const { return there_ >> name.index & 1 ? &own_[name.index] : nullptr; }
  // Null when it is not there.
  const amqp::FieldView& get(Name name) const { return own_[name.index]; }

 private:
  std::array<amqp::FieldView, own_headers.size()> own_{};
  std::uint32_t there_ = 0;
};

// The members of a version 1 body, or of what it has in it.
class Map {
 public:
  explicit Map(const Value::Map& map) : map_(map) {}
  const Value* find(Name name) const { return task::find(map_, name.text); }

 private:
  const Value::Map& map_;
};

using Limits = std::pair<std::optional<milliseconds>, std::optional<milliseconds>>;

// Reads members of either; remembers the first that is wrong.
template <class From>
class Members {
 public:
  explicit Members(const From& from, std::string_view what) : from_(from), what_(what) {}

  // false: missing or null, or wrong.
  template <class T>
  bool read(Name name, T& into) {
    const auto* value = from_.find(name);
    if (value == nullptr || value->is_null()) return false;
    if (read_plain(*value, into)) return true;
    auto read = from_value<T>(as_value(*value));
    if (read) {
      into = std::move(*read);
      return true;
    }
    wrong(name.text, read.error().message);
    return false;
  }
  template <class T>
  void read(Name name, std::optional<T>& into) {
    if (T value{}; read(name, value)) into = std::move(value);
  }
  void keep(Name name, Value& into) {
    const auto* value = from_.find(name);
    if (value != nullptr && !value->is_null()) into = as_value(*value);
  }
  void wrong(std::string_view name, std::string_view why) {
    if (error_.empty()) error_.append(what_).append(" '").append(name).append("': ").append(why);
  }

  const std::string& error() const { return error_; }

 private:
  // What most of them are needs no Value made of it. false: it is something else, or does not fit.
  template <class T>
  static bool read_plain(const Value& held, T& into) {
    if constexpr (std::same_as<T, std::string>) {
      const auto* text = held.get<std::string>();
      if (text != nullptr) into = *text;
      return text != nullptr;
    } else {
      return false;
    }
  }
  template <class T>
  static bool read_plain(const amqp::FieldView& held, T& into) {
    if constexpr (std::same_as<T, std::string>) {
      const auto text = held.text();
      if (text) into = *text;
      return text.has_value();
    } else if constexpr (std::same_as<T, std::uint32_t>) {
      std::int64_t number = 0;
      if (!held.integer(number) || !std::in_range<T>(number)) return false;
      into = static_cast<T>(number);
      return true;
    } else if constexpr (std::same_as<T, bool>) {
      return held.boolean(into);
    } else if constexpr (std::same_as<T, Limits>) {
      return held.type == 'A' && held.raw == no_limits;
    } else if constexpr (std::same_as<T, Value::Map>) {
      return held.type == 'F' && held.raw.empty();
    } else {
      return false;
    }
  }

  static const Value& as_value(const Value& value) { return value; }
  static Value as_value(const amqp::FieldView& field) { return from_field(field.value()); }

  const From& from_;
  std::string_view what_;
  std::string error_;
};

tl::unexpected<DecodeError> not_a_task(std::string message) {
  return tl::unexpected(DecodeError{DecodeError::Kind::not_a_task, std::move(message)});
}

// Those that headers (version 2) and body (version 1) have alike.
template <class From>
void read_common(Members<From>& in, Task& task) {
  in.read("task", task.name);
  in.read("id", task.id);
  in.read("eta", task.eta);
  in.read("expires", task.expires);
  in.read("group", task.group);
  in.read("group_index", task.group_index);
  in.read("retries", task.retries);
  Limits limits;
  if (in.read("timelimit", limits)) std::tie(task.time_limit, task.soft_time_limit) = limits;
}

void read_headers(Members<OwnHeaders>& in, Task& task) {
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
  const auto keep = [&](std::string_view name, Value& into) {
    if (const Value* value = find(map, name)) into = *value;
  };
  keep("callbacks", embed.callbacks);
  keep("errbacks", embed.errbacks);
  keep("chain", embed.chain);
  keep("chord", embed.chord);
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
  const Map members(*map);
  Members in(members, "body's");
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
  Task copy = task;
  return encode_giving(copy, now);
}

Result<EncodedTask> encode_giving(Task& task, WallTime now) {
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

  auto headers = headers_of(task);
  if (!headers) return tl::unexpected(std::move(headers.error()));
  properties.headers = amqp::Headers::of_bytes(std::move(*headers));

  auto body = encode_body(body_of(task), task.serializer);
  if (!body) return fail("arguments: " + body.error().message);
  out.body = compress(std::move(*body), task.compression);
  return out;
}

Result<Task, DecodeError> decode(const amqp::Properties& properties, std::string_view body) {
  Result<Task, DecodeError> decoded;
  Task& task = *decoded;
  std::string room;
  const OwnHeaders headers(properties.headers ? properties.headers->bytes(room) : std::string_view{}, task.headers);
  auto compression = compression_of(headers.get("compression"));
  if (!compression) return tl::unexpected(std::move(compression.error()));
  auto serializer = serializer_of(properties);
  if (!serializer) return tl::unexpected(std::move(serializer.error()));
  auto value = decode_body(*serializer, *compression, body);
  if (!value) return tl::unexpected(std::move(value.error()));
  task.serializer = *serializer;
  task.compression = *compression;
  read_properties(properties, task);

  std::string error;
  if (headers.find("task") != nullptr) {
    Members in(headers, "header");
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
  return decoded;
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

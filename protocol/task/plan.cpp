#include "protocol/task/plan.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/iso8601.h"
#include "base/uuid.h"
#include "protocol/task/convert.h"
#include "protocol/task/fields.h"
#include "protocol/task/signature_options.h"

namespace wherry::task {

namespace {

using Kind = Signature::Kind;

// A signature that cannot be sent. Thrown within this file only: the recursion has one way out.
struct Trouble {
  std::string why;
};

template <class T>
T or_trouble(Result<T> result) {
  if (!result) throw Trouble{std::move(result.error().message)};
  return std::move(*result);
}

// An id that is empty is none, as in Celery.
void give_id(Value::Map& options) {
  const Value* id = option(options, "task_id");
  if (id != nullptr && id->get<std::string>() == nullptr) throw Trouble{"its task_id is no text"};
  if (text_option(options, "task_id").empty()) set(options, "task_id", make_uuid());
}

// over wins, but for the group that a task belongs to already: whoever waits for that group counts it.
Value::Map merged(Value::Map own, const Value::Map& over) {
  for (const auto& [name, value] : over) {
    if (value.is_null() || (name == "group_id" && option(own, name) != nullptr)) continue;
    set(own, name, value);
  }
  return own;
}

void prepend(Signature& signature, const Value::Array& args) {
  if (!signature.immutable) signature.args.insert(signature.args.begin(), args.begin(), args.end());
}

Value task_tuple(std::string id) {
  return Value::Array{Value::Array{std::move(id), Value()}, Value()};
}
Value group_tuple(std::string id, Value::Array results) {
  return Value::Array{Value::Array{std::move(id), Value()}, std::move(results)};
}

// A chain's tasks in their order, those of chains in it among them, each with the error callbacks of its chain.
std::vector<Signature> steps_of(const Signature& chain) {
  std::vector<Signature> steps;
  const Value* errbacks = option(chain.options, "link_error");
  for (Signature& each : or_trouble(members(chain))) {
    extend(each.options, "link_error", errbacks);
    if (each.kind() != Kind::chain) {
      steps.push_back(std::move(each));
      continue;
    }
    std::vector<Signature> inner = steps_of(each);
    if (!inner.empty()) prepend(inner.front(), each.args);
    std::move(inner.begin(), inner.end(), std::back_inserter(steps));
  }
  return steps;
}

// A group before another task is that task's header.
std::vector<Signature> with_chords(std::vector<Signature> steps) {
  std::vector<Signature> reversed;
  for (auto at = steps.rbegin(); at != steps.rend(); ++at) {
    if (at->kind() == Kind::group && !reversed.empty()) {
      Signature chord = make_chord(*at, reversed.back());
      reversed.pop_back();
      reversed.push_back(std::move(chord));
    } else {
      reversed.push_back(std::move(*at));
    }
  }
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

// A group's members, those of groups in it among them.
std::vector<Signature> flattened(std::vector<Signature> tasks) {
  if (std::none_of(tasks.begin(), tasks.end(), [](const auto& each) { return each.kind() == Kind::group; })) {
    return tasks;
  }
  std::vector<Signature> flat;
  for (Signature& each : tasks) {
    if (each.kind() != Kind::group) {
      flat.push_back(std::move(each));
      continue;
    }
    std::vector<Signature> inner = flattened(or_trouble(members(each)));
    for (Signature& one : inner) prepend(one, each.args);
    std::move(inner.begin(), inner.end(), std::back_inserter(flat));
  }
  return flat;
}

std::int64_t parts_of(const Signature& part) {
  switch (part.kind()) {
    case Kind::task:
      return 1;
    case Kind::chord:
      return parts_of(or_trouble(body(part)));
    case Kind::group: {
      std::int64_t all = 0;
      for (const Signature& each : or_trouble(members(part))) all += parts_of(each);
      return all;
    }
    case Kind::chain:
      break;
  }
  const std::vector<Signature> steps = steps_of(part);
  for (auto at = steps.rbegin(); at != steps.rend(); ++at) {
    if (const std::int64_t some = parts_of(*at); some > 0) return some;
  }
  return 0;
}

std::optional<std::chrono::milliseconds> seconds_option(const Value::Map& options, std::string_view name) {
  const Value* value = option(options, name);
  if (value == nullptr) return std::nullopt;
  auto read = from_value<std::chrono::milliseconds>(*value);
  if (!read) throw Trouble{"option '" + std::string(name) + "': " + read.error().message};
  return *read;
}

template <class T>
std::optional<T> typed_option(const Value::Map& options, std::string_view name) {
  const Value* value = option(options, name);
  if (value == nullptr) return std::nullopt;
  auto read = from_value<T>(*value);
  if (!read) throw Trouble{"option '" + std::string(name) + "': " + read.error().message};
  return std::move(*read);
}

class Planner {
 public:
  Planner(const Start& start, WallTime now) : start_(start), now_(now) {}

  Plan plan(Signature signature) {
    plan_.result = settle(signature);
    Value::Map over;
    if (!start_.root_id.empty()) set(over, "root_id", start_.root_id);
    if (!start_.parent_id.empty()) set(over, "parent_id", start_.parent_id);
    if (start_.priority) set(over, "priority", *start_.priority);
    if (!as_list(&start_.chain).empty()) set(over, "chain", start_.chain);
    plan_.sent = send(std::move(signature), start_.args, over);
    return std::move(plan_);
  }

 private:
  // Gives ids and reply queues to all that it holds; says what it comes to.
  Value settle(Signature& signature) {
    switch (signature.kind()) {
      case Kind::task:
        give_id(signature.options);
        if (!start_.reply_to.empty()) set_default(signature.options, "reply_to", start_.reply_to);
        if (start_.place) start_.place(signature);
        settle_links(signature);
        return task_tuple(text_option(signature.options, "task_id"));
      case Kind::chain:
        return settle_chain(signature);
      case Kind::group:
        return settle_group(signature);
      case Kind::chord:
        break;
    }
    Signature last = or_trouble(body(signature));
    if (const Value* id = option(signature.options, "task_id")) set_default(last.options, "task_id", *id);
    Value result = settle(last);
    Signature header = header_of(signature);
    settle_group(header);
    set(signature.kwargs, "header", write_signature(header));
    set(signature.kwargs, "body", write_signature(last));
    return result;
  }

  // What is linked has no id before it is sent, as several tasks may share it; but it needs its place.
  void settle_links(Signature& signature) {
    if (!start_.place) return;
    for (const std::string_view name : {"link", "link_error"}) {
      const Value* links = option(signature.options, name);
      if (links == nullptr) continue;
      std::vector<Signature> all = or_trouble(read_signatures(*links));
      for (Signature& each : all) {
        if (each.kind() == Kind::task) start_.place(each);
      }
      set(signature.options, name, write_signatures(all));
    }
  }

  Value settle_chain(Signature& chain) {
    std::vector<Signature> steps = with_chords(steps_of(chain));
    if (steps.empty()) throw Trouble{"an empty chain"};
    if (const Value* id = option(chain.options, "task_id")) set_default(steps.back().options, "task_id", *id);
    drop(chain.options, "link_error");  // Its tasks have it now.
    Value result;
    for (Signature& each : steps) result = settle(each);
    set(chain.kwargs, "tasks", write_signatures(steps));
    return result;
  }

  Value settle_group(Signature& group) {
    give_id(group.options);
    std::vector<Signature> all = flattened(or_trouble(members(group)));
    Value::Array results;
    results.reserve(all.size());
    for (Signature& each : all) results.push_back(settle(each));
    set(group.kwargs, "tasks", write_signatures(all));
    return group_tuple(text_option(group.options, "task_id"), std::move(results));
  }

  // The header as a group that has its id: the one its tasks know already, if they do.
  static Signature header_of(const Signature& chord) {
    const Value* held = find(chord.kwargs, "header");
    std::vector<Signature> all = flattened(or_trouble(members(chord)));
    Signature group = make_group(all);
    const Value* options = held == nullptr ? nullptr : held->find("options");
    const auto* known = options == nullptr ? nullptr : options->get<Value::Map>();
    const bool was_group =
        held != nullptr && held->find("subtask_type") != nullptr && *held->find("subtask_type") == Value("group");
    if (was_group && known != nullptr) group.options = *known;
    if (option(group.options, "task_id") == nullptr && !all.empty()) {
      if (const Value* id = option(all.front().options, "group_id")) set(group.options, "task_id", *id);
    }
    return group;
  }

  // These return what was sent, as result tuples.
  Value::Array send(Signature signature, const Value::Array& args, const Value::Map& over) {
    switch (signature.kind()) {
      case Kind::task:
        return {send_task(std::move(signature), args, over)};
      case Kind::chain:
        return send_chain(signature, args, over);
      case Kind::group:
        return send_group(signature, args, over);
      case Kind::chord:
        break;
    }
    return send_chord(std::move(signature), args, over);
  }

  Value::Array send_chain(const Signature& chain, const Value::Array& args, const Value::Map& over) {
    std::vector<Signature> steps = or_trouble(members(chain));  // Settled: flat, and groups are chords.
    Value::Map options = merged(chain.options, over);
    // What the chain as a whole is told holds for its last task, whose result is the chain's.
    Signature& last = steps.back();
    for (const std::string_view name : {"group_id", "group_index", "chord"}) {
      if (const Value* value = option(options, name)) set(last.options, name, *value);
    }
    extend(last.options, "link", option(options, "link"));
    Signature first = std::move(steps.front());
    Value::Array rest = as_list(find(options, "chain"));
    for (std::size_t i = steps.size(); i > 1; --i) rest.push_back(write_signature(steps[i - 1]));
    for (const std::string_view name : {"task_id", "group_id", "group_index", "chord", "link", "link_error", "chain"}) {
      drop(options, name);
    }
    if (!rest.empty()) set(options, "chain", std::move(rest));
    prepend(first, chain.args);
    return send(std::move(first), chain.immutable ? Value::Array{} : args, options);
  }

  Value::Array send_group(const Signature& group, const Value::Array& args, const Value::Map& over) {
    Value::Map options = merged(group.options, over);
    Value::Array rest = as_list(find(options, "chain"));
    if (!rest.empty()) {  // Something follows it: then it is a header.
      const Signature next = or_trouble(read_signature(rest.back()));
      rest.pop_back();
      drop(options, "chain");
      if (!rest.empty()) set(options, "chain", std::move(rest));
      return send_chord(make_chord(group, next), args, options);
    }
    const std::string id = text_option(options, "task_id");
    const bool inner = option(options, "group_id") != nullptr && option(options, "chord") != nullptr;
    drop(options, "task_id");
    if (!inner) set(options, "group_id", id);
    Value::Array results;
    std::int64_t place = 0;
    std::vector<Signature> all = or_trouble(members(group));
    if (!inner && option(options, "chord") != nullptr) count(id, all);
    for (Signature& each : all) {
      if (!inner) set(options, "group_index", place++);
      prepend(each, group.args);
      append(results, send(std::move(each), args, options));
    }
    return {group_tuple(id, std::move(results))};
  }

  Value::Array send_chord(Signature chord, const Value::Array& args, const Value::Map& over) {
    Signature last = or_trouble(body(chord));
    Value::Map options = merged(chord.options, over);
    drop(options, "task_id");
    extend(last.options, "link", option(options, "link"));
    extend(last.options, "link_error", option(options, "link_error"));
    drop(options, "link");
    drop(options, "link_error");
    Value::Map of_body = options;
    // A chain is begun by the part that calls it, and so follows that one; a single task follows what the chord
    // follows.
    if (last.kind() == Kind::chain) drop(of_body, "parent_id");
    last.options = merged(std::move(last.options), of_body);
    if (const Value* outer = option(over, "group_id")) set(last.options, "group_id", *outer);
    const Signature header = header_of(chord);
    std::vector<Signature> all = or_trouble(members(header));
    if (all.empty()) {
      Value::Array no_results;
      no_results.emplace_back(Value::Array{});
      return send(std::move(last), no_results, {});
    }
    const std::string id = text_option(header.options, "task_id");
    count(id, all);
    for (const std::string_view name : {"chain", "chord", "group_id", "group_index"}) drop(options, name);
    set(options, "group_id", id);
    set(options, "chord", write_signature(last));
    Value::Array results;
    std::int64_t place = 0;
    for (Signature& each : all) {
      drop(each.options, "group_id");
      set(options, "group_index", place++);
      prepend(each, chord.args);
      append(results, send(std::move(each), chord.immutable ? Value::Array{} : args, options));
    }
    return {group_tuple(id, std::move(results))};
  }

  Value send_task(Signature signature, const Value::Array& args, const Value::Map& over) {
    prepend(signature, args);
    const Value::Map options = merged(std::move(signature.options), over);
    try {
      plan_.tasks.push_back(planned(signature, options));
    } catch (const Trouble& trouble) {
      throw Trouble{"task '" + signature.task + "': " + trouble.why};
    }
    return task_tuple(plan_.tasks.back().task.id);
  }

  PlannedTask planned(Signature& signature, const Value::Map& options) const {
    PlannedTask out;
    Task& task = out.task;
    task.id = text_option(options, "task_id");
    task.args = std::move(signature.args);
    task.kwargs = std::move(signature.kwargs);
    task.embed.callbacks = list_or_null(option(options, "link"));
    task.embed.errbacks = list_or_null(option(options, "link_error"));
    task.embed.chain = list_or_null(option(options, "chain"));
    if (const Value* chord = option(options, "chord")) task.embed.chord = *chord;
    task.root_id = text_option(options, "root_id");
    task.parent_id = text_option(options, "parent_id");
    if (const auto countdown = seconds_option(options, "countdown"); countdown && countdown->count() > 0) {
      task.eta = now_ + *countdown;
    }
    if (auto eta = typed_option<WallTime>(options, "eta")) task.eta = eta;
    task.expires = expires_of(options);
    task.time_limit = seconds_option(options, "time_limit");
    task.soft_time_limit = seconds_option(options, "soft_time_limit");
    task.retries = typed_option<std::uint32_t>(options, "retries").value_or(0);
    task.group = text_option(options, "group_id");
    task.group_index = typed_option<std::int64_t>(options, "group_index");
    task.ignore_result = typed_option<bool>(options, "ignore_result").value_or(false);
    task.shadow = text_option(options, "shadow");
    task.replaced_task_nesting = typed_option<std::uint32_t>(options, "replaced_task_nesting").value_or(0);
    task.argsrepr = text_option(options, "argsrepr");
    task.kwargsrepr = text_option(options, "kwargsrepr");
    task.reply_to = text_option(options, "reply_to");
    task.priority = typed_option<std::uint8_t>(options, "priority").value_or(0);
    task.durable = typed_option<std::uint8_t>(options, "delivery_mode").value_or(2) == 2;
    task.serializer = serializer_of_option(options);
    task.compression = compression_of_option(options);
    stamp(task, options);
    if (const auto headers = typed_option<Value::Map>(options, "headers")) {
      for (const auto& [name, value] : *headers) task.headers.set(name, or_trouble(to_field(value)));
    }
    task.name = signature.task;
    out.queue = text_option(options, "queue");
    out.exchange = typed_option<std::string>(options, "exchange");
    out.routing_key = typed_option<std::string>(options, "routing_key");
    out.priority = typed_option<std::uint8_t>(options, "priority");
    return out;
  }

  // A number of seconds from now, or a time.
  std::optional<WallTime> expires_of(const Value::Map& options) const {
    const Value* value = option(options, "expires");
    if (value == nullptr) return std::nullopt;
    if (value->get<std::string>() != nullptr) return typed_option<WallTime>(options, "expires");
    return now_ + *seconds_option(options, "expires");
  }

  Serializer serializer_of_option(const Value::Map& options) const {
    const std::string name = text_option(options, "serializer");
    if (name.empty()) return start_.serializer;
    if (name == "json" || name == content_type(Serializer::json)) return Serializer::json;
    if (name == "msgpack" || name == content_type(Serializer::msgpack)) return Serializer::msgpack;
    throw Trouble{"option 'serializer': \"" + name + "\" is not supported"};
  }

  Compression compression_of_option(const Value::Map& options) const {
    const std::string name = text_option(options, "compression");
    if (name.empty()) return start_.compression;
    const auto known = compression_of(name);
    if (!known) throw Trouble{"option 'compression': \"" + name + "\" is not supported"};
    return *known;
  }

  void stamp(Task& task, const Value::Map& options) const {
    Value::Array names = as_list(option(options, "stamped_headers"));
    for (const Value& each : names) {
      const auto* name = each.get<std::string>();
      const Value* value = name == nullptr ? nullptr : option(options, *name);
      if (value != nullptr) set(task.stamps, *name, as_list(value));
    }
    for (const auto& [name, value] : start_.stamps) {
      if (find(task.stamps, name) == nullptr) set(task.stamps, name, value);
    }
    for (Value& each : as_list(&start_.stamped_headers)) {
      if (std::find(names.begin(), names.end(), each) == names.end()) names.push_back(std::move(each));
    }
    if (!names.empty()) task.stamped_headers = std::move(names);
  }

  void count(const std::string& group, const std::vector<Signature>& parts) {
    ChordSize size{group, 0};
    for (const Signature& each : parts) size.parts += parts_of(each);
    if (std::any_of(parts.begin(), parts.end(), comes_to_several)) {
      size.tuple = group_tuple(group, results_of(parts));
    }
    plan_.chords.push_back(std::move(size));
  }

  // Of what is settled.
  static Value result_of(const Signature& signature) {
    switch (signature.kind()) {
      case Kind::task:
        return task_tuple(text_option(signature.options, "task_id"));
      case Kind::chain:
        return result_of(or_trouble(members(signature)).back());
      case Kind::group:
        return group_tuple(text_option(signature.options, "task_id"), results_of(or_trouble(members(signature))));
      case Kind::chord:
        break;
    }
    return result_of(or_trouble(body(signature)));
  }
  static Value::Array results_of(const std::vector<Signature>& signatures) {
    Value::Array all;
    for (const Signature& each : signatures) all.push_back(result_of(each));
    return all;
  }

  static Value list_or_null(const Value* value) {
    Value::Array list = as_list(value);
    return list.empty() ? Value() : Value(std::move(list));
  }
  static void append(Value::Array& to, Value::Array from) {
    std::move(from.begin(), from.end(), std::back_inserter(to));
  }

  const Start& start_;
  const WallTime now_;
  Plan plan_;
};

}  // namespace

Result<Plan> make_plan(const Signature& signature, const Start& start, WallTime now) {
  try {
    return Planner(start, now).plan(signature);
  } catch (Trouble& trouble) {
    return fail(std::move(trouble.why));
  }
}

Result<std::int64_t> count_parts(const Signature& part) {
  try {
    return parts_of(part);
  } catch (Trouble& trouble) {
    return fail(std::move(trouble.why));
  }
}

}  // namespace wherry::task

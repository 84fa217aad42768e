#include "worker/runtime/continuation.h"

#include <chrono>
#include <memory>
#include <utility>

#include "base/wall_clock.h"
#include "protocol/task/replacement.h"
#include "sdk/client/trace.h"
#include "sdk/results/chords.h"

namespace wherry::worker {

namespace {

using Kind = task::Signature::Kind;

// How long what follows may take to be confirmed before its task goes back to the queue.
constexpr std::chrono::seconds send_timeout{30};

bool something(const task::Value& value) {
  const auto* list = value.get<task::Value::Array>();
  return !value.is_null() && (list == nullptr || !list->empty());
}

task::Start start_of(const task::Task& parent) {
  task::Start start;
  start.root_id = parent.root_id.empty() ? parent.id : parent.root_id;
  start.parent_id = parent.id;
  start.serializer = parent.serializer;
  start.compression = parent.compression;
  start.stamped_headers = parent.stamped_headers;
  start.stamps = parent.stamps;
  return start;
}

void add(task::Plan& to, task::Plan from) {
  std::move(from.tasks.begin(), from.tasks.end(), std::back_inserter(to.tasks));
  std::move(from.chords.begin(), from.chords.end(), std::back_inserter(to.chords));
  std::move(from.sent.begin(), from.sent.end(), std::back_inserter(to.sent));
}

Error about(std::string_view what, const Error& error) {
  return {std::string(what) + ": " + error.message};
}

// Celery's way: several callbacks that are single tasks go as one group, groups on their own.
Result<void> plan_callbacks(const task::Task& parent, task::Start start, task::Plan& plan, WallTime now) {
  auto callbacks = task::read_signatures(parent.embed.callbacks);
  if (!callbacks) return tl::unexpected(about("link", callbacks.error()));
  std::vector<task::Signature> together, alone;
  for (task::Signature& each : *callbacks) {
    const bool by_itself = callbacks->size() == 1 || each.kind() == Kind::group;
    (by_itself ? alone : together).push_back(std::move(each));
  }
  if (!together.empty()) alone.push_back(task::make_group(together));
  for (const task::Signature& each : alone) {
    auto one = task::make_plan(each, start, now);
    if (!one) return tl::unexpected(about("link", one.error()));
    add(plan, std::move(*one));
  }
  return {};
}

Result<void> plan_chain(const task::Task& parent, task::Start start, task::Plan& plan, WallTime now) {
  if (!something(parent.embed.chain)) return {};
  const auto* links = parent.embed.chain.get<task::Value::Array>();
  if (links == nullptr) return fail("chain: expected an array, got " + task::describe(parent.embed.chain));
  auto next = task::read_signature(links->back());
  if (!next) return tl::unexpected(about("chain", next.error()));
  start.chain = task::Value::Array(links->begin(), links->end() - 1);
  auto one = task::make_plan(*next, start, now);
  if (!one) return tl::unexpected(about("chain", one.error()));
  add(plan, std::move(*one));
  return {};
}

std::string text(const task::Value::Map& options, std::string_view name) {
  const task::Value* value = task::find(options, name);
  const auto* held = value == nullptr ? nullptr : value->get<std::string>();
  return held == nullptr ? std::string() : *held;
}

// The tasks whose ends are a signature's: itself, a chain's last, a chord's body, all of a group.
void collect_ends(const task::Signature& signature, const task::Task& parent, std::vector<task::Task>& into) {
  switch (signature.kind()) {
    case Kind::task: {
      task::Task end;
      end.name = signature.task;
      end.id = text(signature.options, "task_id");
      if (end.id.empty()) return;
      end.root_id = parent.root_id;
      end.reply_to = text(signature.options, "reply_to");
      end.group = text(signature.options, "group_id");
      if (const task::Value* index = task::find(signature.options, "group_index")) {
        if (const auto* number = index->get<std::int64_t>()) end.group_index = *number;
      }
      if (const task::Value* chord = task::find(signature.options, "chord")) end.embed.chord = *chord;
      if (const task::Value* ignored = task::find(signature.options, "ignore_result")) {
        end.ignore_result = *ignored == task::Value(true);
      }
      end.serializer = parent.serializer;
      into.push_back(std::move(end));
      return;
    }
    case Kind::chord:
      if (auto body = task::body(signature)) collect_ends(*body, parent, into);
      return;
    case Kind::group:
      if (auto members = task::members(signature)) {
        for (const task::Signature& each : *members) collect_ends(each, parent, into);
      }
      return;
    case Kind::chain:
      if (auto members = task::members(signature); members && !members->empty()) {
        collect_ends(members->back(), parent, into);
      }
      return;
  }
}

}  // namespace

bool Continuation::follows_success(const task::Task& task) {
  return something(task.embed.callbacks) || something(task.embed.chain);
}

bool Continuation::follows_failure(const task::Task& task) {
  return something(task.embed.errbacks) || something(task.embed.chain);
}

Result<void> Continuation::after_success(const task::Task& task, const task::Value& result, Done done) {
  const WallTime now = wall_now();
  task::Start start = start_of(task);
  start.args.push_back(result);
  task::Plan plan;
  if (auto planned = plan_callbacks(task, start, plan, now); !planned) return planned;
  if (auto planned = plan_chain(task, std::move(start), plan, now); !planned) return planned;
  return send(task, std::move(plan), std::move(done), {});
}

Result<void> Continuation::replace(const task::Task& task, const task::Value& by, const std::string& queue, Done done) {
  auto given = task::read_signature(by);
  if (!given) return tl::unexpected(std::move(given.error()));
  auto signature = task::in_place_of(task, std::move(*given));
  if (!signature) return tl::unexpected(std::move(signature.error()));
  task::Start start = start_of(task);
  start.parent_id = task.parent_id;
  start.chain = task.embed.chain;
  start.reply_to = task.reply_to;
  start.place = [&queue](task::Signature& each) {
    const bool is_ours = each.task == task::accumulate_task && text(each.options, "queue").empty();
    if (is_ours) task::set(each.options, "queue", queue);
  };
  auto plan = task::make_plan(*signature, start, wall_now());
  if (!plan) return tl::unexpected(about("what replaces it", plan.error()));
  return send(task, std::move(*plan), std::move(done), {});
}

Result<void> Continuation::add_parts(const task::Task& part, const task::Value::Array& parts, Done done) {
  const WallTime now = wall_now();
  task::Plan plan;
  std::int64_t added = 0;
  for (std::size_t number = 0; number < parts.size(); ++number) {
    auto given = task::read_signature(parts[number]);
    if (!given) return tl::unexpected(std::move(given.error()));
    auto signature = task::beside(part, std::move(*given), number);
    if (!signature) return tl::unexpected(std::move(signature.error()));
    const auto ends = task::count_parts(*signature);
    if (!ends) return tl::unexpected(about("what it adds to its chord", ends.error()));
    auto one = task::make_plan(*signature, start_of(part), now);
    if (!one) return tl::unexpected(about("what it adds to its chord", one.error()));
    added += *ends;
    add(plan, std::move(*one));
  }
  return send(part, std::move(plan), std::move(done), {}, added);
}

Result<void> Continuation::after_failure(const task::Task& task, Done done) {
  auto errbacks = task::read_signatures(task.embed.errbacks);
  if (!errbacks) return tl::unexpected(about("link_error", errbacks.error()));
  task::Plan plan;
  if (!errbacks->empty()) {
    task::Start start = start_of(task);
    start.args.emplace_back(task.id);
    auto planned = task::make_plan(task::make_group(*errbacks), start, wall_now());
    if (!planned) return tl::unexpected(about("link_error", planned.error()));
    plan = std::move(*planned);
  }
  return send(task, std::move(plan), std::move(done), {});
}

std::vector<task::Task> Continuation::never_run(const task::Task& task) {
  std::vector<task::Task> all;
  auto links = task::read_signatures(task.embed.chain);
  if (!links) return all;
  for (const task::Signature& each : *links) collect_ends(each, task, all);
  return all;
}

std::vector<task::Task> Continuation::ends_of(const task::Signature& signature, const task::Task& parent) {
  std::vector<task::Task> all;
  collect_ends(signature, parent, all);
  return all;
}

task::Task Continuation::task_of(const task::Signature& signature, const task::Task& parent) {
  task::Task out;
  out.name = signature.task;
  const std::vector<task::Task> ends = ends_of(signature, parent);
  out.id = ends.empty() ? parent.id : ends.back().id;
  out.root_id = parent.root_id;
  out.serializer = parent.serializer;
  if (const task::Value* rest = task::find(signature.options, "chain")) out.embed.chain = *rest;
  task::Value::Array errbacks;
  auto add_errbacks = [&](const task::Signature& from) {
    const task::Value* some = task::find(from.options, "link_error");
    if (some == nullptr || some->is_null()) return;
    const auto* list = some->get<task::Value::Array>();
    if (list == nullptr) return errbacks.push_back(*some);
    errbacks.insert(errbacks.end(), list->begin(), list->end());
  };
  add_errbacks(signature);
  if (signature.kind() == Kind::chain) {
    if (auto steps = task::members(signature); steps && !steps->empty()) add_errbacks(steps->front());
  } else if (signature.kind() == Kind::chord) {
    if (auto body = task::body(signature)) add_errbacks(*body);
  }
  if (!errbacks.empty()) out.embed.errbacks = std::move(errbacks);
  return out;
}

Result<void> Continuation::call_body(const task::Task& part, const task::Signature& body, task::Value::Array results,
                                     Done done) {
  task::Start start = start_of(part);
  start.args.emplace_back(std::move(results));
  // Who made the chord may have said where it belongs; else it belongs to the part that called it.
  if (!text(body.options, "root_id").empty()) start.root_id.clear();
  if (!text(body.options, "parent_id").empty()) start.parent_id.clear();
  auto plan = task::make_plan(body, start, wall_now());
  if (!plan) return tl::unexpected(std::move(plan.error()));
  return send(part, std::move(*plan), std::move(done), {Step::chord_body_published, Step::chord_body_confirmed});
}

Result<void> Continuation::send(const task::Task& from, task::Plan plan, Done done, Steps steps, std::int64_t added) {
  const bool is_counted = !plan.chords.empty() || added > 0;
  if (is_counted && backend_ == nullptr) {
    return fail("a chord needs a store of results, and this worker has none");
  }
  // What follows a task belongs to its trace.
  const TraceScope scope(sdk::trace_of(from.headers));
  auto messages = dispatcher_.encode(std::move(plan.tasks), wall_now());
  if (!messages) return tl::unexpected(std::move(messages.error()));
  const Monotonic deadline = std::chrono::steady_clock::now() + send_timeout;
  auto publish = [this, deadline, messages = std::make_shared<std::vector<sdk::Outgoing>>(std::move(*messages)),
                  children = task::Value(std::move(plan.sent)), done, steps, id = from.id] {
    dispatcher_.send(std::move(*messages), deadline, [children, done, steps, id](const sdk::Report& report) {
      if (!report.ok()) return done(Failed{report.text});
      reached(steps.confirmed, id);
      done(children);
    });
    reached_when_written(loop_, steps.published, id);
  };
  if (!is_counted) {
    publish();
    return {};
  }
  // How many parts there are is known before the first of them can come back.
  std::optional<results::AddedParts> more;
  if (added > 0) more = {from.group, from.id, static_cast<std::size_t>(added)};
  results::announce_chords(*backend_, plan.chords, more, deadline, [publish, done](const results::Outcome<void>& told) {
    if (told) return publish();
    done(Failed{"the size of a chord is not stored: " + told.error().message});
  });
  return {};
}

}  // namespace wherry::worker

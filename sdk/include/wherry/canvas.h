// Workflows: tasks that are sent together and run one after the other, beside each other, or for each other.
//
//   auto total = sig(fetch, url) | sig(parse) | sig(store, "daily");   // chain: each result is the next one's first
//   auto all   = group(sig(fetch, a), sig(fetch, b));                  // group: all at once
//   auto sum   = all | sig(add);                                       // chord: a task with all the results
//   auto twice = map(doubled, std::vector{1, 2, 3});                   // one task that runs another for each item
//   int n = client.enqueue(total).get(30s);
//
// They are Celery's canvas on the wire: any part may run in Python or C++, and a workflow made here can stand in a
// Python signature, or the other way round (signature(), from_signature()).
//
// Types: Sig<R, In> is something that comes to one result R and wants an In from what goes before it. What does not fit
// does not compile: the result of one must be what the next takes first, as canvas::fits says.
//   In                     made by
//   canvas::Nothing        all arguments are there: begins a workflow, or follows a task that returns nothing
//   canvas::Ignored        .ignoring(): comes after anything, and takes no result (Celery's immutable signature, .si())
//   a type                 all arguments but the first: follows what returns that
// Group<Results, In> comes to several results: a std::tuple of them, or a std::vector.
//
// Copies are cheap enough to pass by value; nothing is sent before Client::enqueue(). Chords and groups before another
// task need workers and a client with a result backend. Errors: an option that a signature cannot have throws
// ClientError(invalid_argument). Threads: plain data.
#pragma once

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/task/signature.h"
#include "wherry/canvas_types.h"
#include "wherry/group.h"
#include "wherry/options.h"
#include "wherry/result.h"
#include "wherry/task.h"

namespace wherry {

template <class R = void, class In = canvas::Nothing>
class Sig {
 public:
  using Result = R;
  using Input = In;
  using Handle = Job<R>;

  explicit Sig(task::Signature one) : steps_{std::move(one)} {}
  explicit Sig(std::vector<task::Signature> steps) : steps_(std::move(steps)) {}

  // Takes no result of what goes before it.
  Sig<R, canvas::Ignored> ignoring() const {
    auto steps = steps_;
    canvas::detail::make_immutable(steps.front());
    return Sig<R, canvas::Ignored>(std::move(steps));
  }

  // Options of this task, or of each task of a chain: where it goes, when, its limits. They win over what
  // Client::enqueue() is given. timeout and deduplication_key belong to an enqueue and are refused.
  Sig with(const EnqueueOptions& options) const {
    Sig changed = *this;
    for (task::Signature& each : changed.steps_) canvas::detail::set_options(each, options);
    return changed;
  }

  // Also sent when this has succeeded, with its result.
  template <class R2, class In2>
  Sig on_success(const Sig<R2, In2>& callback) const {
    static_assert(canvas::Takes<In2, R>, "the callback does not take this result as its first argument");
    Sig changed = *this;
    canvas::detail::add_link(changed.steps_.back(), "link", canvas::detail::after<R>(callback).signature());
    return changed;
  }
  // Sent when this has failed for good (in a chain: any of its tasks), with the failed task's id.
  template <class R2, class In2>
  Sig on_error(const Sig<R2, In2>& callback) const {
    static_assert(canvas::Takes<In2, std::string>,
                  "an error callback takes the id of the failed task, or is ignoring()");
    Sig changed = *this;
    for (task::Signature& each : changed.steps_) canvas::detail::add_link(each, "link_error", callback.signature());
    return changed;
  }

  // As Celery has it.
  task::Signature signature() const { return steps_.size() == 1 ? steps_.front() : task::make_chain(steps_); }
  const std::vector<task::Signature>& steps() const { return steps_; }

 private:
  std::vector<task::Signature> steps_;  // Never empty.
};

// Results: std::tuple or std::vector.
template <class Results, class In = canvas::Nothing>
class Group {
 public:
  using Result = Results;
  using Input = In;
  using Handle = GroupJob<Results>;

  explicit Group(task::Signature group) : steps_{std::move(group)} {}
  explicit Group(std::vector<task::Signature> steps) : steps_(std::move(steps)) {}

  Group<Results, canvas::Ignored> ignoring() const {
    auto steps = steps_;
    canvas::detail::make_immutable(steps.front());
    return Group<Results, canvas::Ignored>(std::move(steps));
  }

  task::Signature signature() const { return steps_.size() == 1 ? steps_.front() : task::make_chain(steps_); }
  const std::vector<task::Signature>& steps() const { return steps_; }

 private:
  std::vector<task::Signature> steps_;  // What goes before it in its chain, and the group.
};

// --- single tasks ---------------------------------------------------------------------------------------------------

// A function's signature with all of its arguments, or all but the first, which the task before it gives.
template <class R, class... P, class... A>
auto sig(const Function<R(P...)>& function, const A&... arguments) {
  constexpr bool whole = sizeof...(A) == sizeof...(P);
  constexpr std::size_t skipped = whole ? 0 : 1;
  static_assert(whole || sizeof...(A) + 1 == sizeof...(P),
                "a signature has all arguments of the task, or all but the first");
  using All = std::tuple<std::remove_cvref_t<P>...>;
  using In = typename canvas::detail::InputOf<All, whole>::type;
  return Sig<R, In>(canvas::detail::positional<All, skipped>(function.name, arguments...));
}
// A struct with all of its fields.
template <TaskStruct T>
Sig<ResultOf<T>> sig(const T& task) {
  return Sig<ResultOf<T>>(canvas::detail::named_fields(task, 0));
}
template <class R>
Sig<R> sig(Call<R> call) {
  return Sig<R>(
      task::Signature{.task = std::move(call.name), .args = std::move(call.args), .kwargs = std::move(call.kwargs)});
}
// A struct whose first field is the result of the task before it; what it holds here is not sent.
template <TaskStruct T>
auto fed(const T& task) {
  static_assert(reflect::field_count<T> > 0, "the task has no field that could take a result");
  using In = std::remove_cvref_t<std::tuple_element_t<0, decltype(reflect::tie(task))>>;
  return Sig<ResultOf<T>, In>(canvas::detail::named_fields(task, 1));
}
// A task known by its name: R is what it returns, In what it takes first from the task before it.
template <class R = task::Value, class In = canvas::Nothing>
Sig<R, In> named(std::string name, Args args = {}, Kwargs kwargs = {}) {
  return Sig<R, In>(task::Signature{.task = std::move(name), .args = std::move(args), .kwargs = std::move(kwargs)});
}
// A signature that came from elsewhere, such as a Python program: a task, a chain or a chord.
template <class R = task::Value, class In = canvas::Nothing>
Sig<R, In> from_signature(task::Signature signature) {
  return Sig<R, In>(std::move(signature));
}

// --- one after the other --------------------------------------------------------------------------------------------

template <class R1, class In1, class R2, class In2>
Sig<R2, In1> operator|(const Sig<R1, In1>& first, const Sig<R2, In2>& then) {
  static_assert(canvas::Takes<In2, R1>,
                "the result of the task before does not fit the first argument of the task after it; "
                ".ignoring() makes a task that takes no result");
  return Sig<R2, In1>(canvas::detail::joined(first.steps(), canvas::detail::after<R1>(then).steps()));
}
template <class R1, class In1, class Results, class In2>
Group<Results, In1> operator|(const Sig<R1, In1>& first, const Group<Results, In2>& then) {
  static_assert(canvas::Takes<In2, R1>,
                "the result of the task before does not fit the first argument of the tasks of the group; "
                ".ignoring() makes a group that takes no result");
  return Group<Results, In1>(canvas::detail::joined(first.steps(), canvas::detail::after<R1>(then).steps()));
}
// A chord: the task after a group gets the list of its results.
template <class Results, class In1, class R2, class In2>
Sig<R2, In1> operator|(const Group<Results, In1>& header, const Sig<R2, In2>& body) {
  static_assert(canvas::Takes<In2, Results>,
                "the results of the group, as a list, do not fit the first argument of the task after it; "
                ".ignoring() makes a task that takes no results");
  return Sig<R2, In1>(canvas::detail::joined(header.steps(), body.steps()));
}

template <class First, class... Rest>
auto chain(const First& first, const Rest&... rest) {
  return (first | ... | rest);
}
template <class Results, class In1, class R2, class In2>
Sig<R2, In1> chord(const Group<Results, In1>& header, const Sig<R2, In2>& body) {
  return header | body;
}

// --- beside each other ----------------------------------------------------------------------------------------------

template <class... R, class... In>
auto group(const Sig<R, In>&... parts) {
  using Common = canvas::detail::CommonInput<In...>;
  static_assert(Common::fits,
                "the parts of a group take the same first argument; .ignoring() makes one that takes none");
  return Group<std::tuple<canvas::Element<R>...>, typename Common::type>(task::make_group({parts.signature()...}));
}
template <class R, class In>
Group<std::vector<canvas::Element<R>>, In> group(const std::vector<Sig<R, In>>& parts) {
  std::vector<task::Signature> all;
  all.reserve(parts.size());
  for (const auto& each : parts) all.push_back(each.signature());
  return Group<std::vector<canvas::Element<R>>, In>(task::make_group(all));
}

// --- for each item --------------------------------------------------------------------------------------------------

// One task that runs a function for each item, in order, at one worker. What a failure of one means for all: docs.
template <class R, class P>
Sig<std::vector<canvas::Element<R>>> map(const Function<R(P)>& function,
                                         const std::vector<std::remove_cvref_t<P>>& items) {
  return Sig<std::vector<canvas::Element<R>>>(
      canvas::detail::mapping("celery.map", function.name, task::to_value(items)));
}
template <class R, class... P>
Sig<std::vector<canvas::Element<R>>> starmap(const Function<R(P...)>& function,
                                             const std::vector<std::tuple<std::remove_cvref_t<P>...>>& items) {
  return Sig<std::vector<canvas::Element<R>>>(
      canvas::detail::mapping("celery.starmap", function.name, task::to_value(items)));
}
// Likewise for a struct; each item has all fields.
template <TaskStruct T>
Sig<std::vector<canvas::Element<ResultOf<T>>>> map(const std::vector<T>& items) {
  task::Value::Array rows;
  rows.reserve(items.size());
  for (const T& each : items) rows.push_back(canvas::detail::field_values(each));
  return Sig<std::vector<canvas::Element<ResultOf<T>>>>(
      canvas::detail::mapping("celery.starmap", T::task_name, std::move(rows)));
}
// A group of such tasks, each with at most `size` (above 0) of the items.
template <class R, class... P>
Group<std::vector<std::vector<canvas::Element<R>>>> chunks(
    const Function<R(P...)>& function, const std::vector<std::tuple<std::remove_cvref_t<P>...>>& items,
    std::size_t size) {
  return Group<std::vector<std::vector<canvas::Element<R>>>>(
      canvas::detail::chunked(function.name, *task::to_value(items).template get<task::Value::Array>(), size));
}

}  // namespace wherry

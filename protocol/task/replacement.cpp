#include "protocol/task/replacement.h"

#include <functional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/uuid.h"
#include "protocol/task/signature_options.h"

namespace wherry::task {

namespace {

using Kind = Signature::Kind;

// Calls change with each task that a signature's results come from, and puts what it made of them back: a task itself,
// a chain's last, a chord's body, all of a group. Errors: a workflow with a broken or an empty part.
Result<void> change_ends(Signature& signature, const std::function<void(Signature&)>& change) {
  switch (signature.kind()) {
    case Kind::task:
      change(signature);
      return {};
    case Kind::chord: {
      auto last = body(signature);
      if (!last) return tl::unexpected(std::move(last.error()));
      if (auto changed = change_ends(*last, change); !changed) return changed;
      set(signature.kwargs, "body", write_signature(*last));
      return {};
    }
    case Kind::chain:
    case Kind::group:
      break;
  }
  auto all = members(signature);
  if (!all) return tl::unexpected(std::move(all.error()));
  if (all->empty()) return fail(signature.kind() == Kind::chain ? "an empty chain" : "an empty group");
  for (auto at = signature.kind() == Kind::chain ? all->end() - 1 : all->begin(); at != all->end(); ++at) {
    if (auto changed = change_ends(*at, change); !changed) return changed;
  }
  set(signature.kwargs, "tasks", write_signatures(*all));
  return {};
}

void stand_in_chord(Signature& signature, const Task& task) {
  if (!task.embed.chord.is_null()) set(signature.options, "chord", task.embed.chord);
  if (!task.group.empty()) set(signature.options, "group_id", task.group);
  if (task.group_index) set(signature.options, "group_index", *task.group_index);
}

Error cannot(std::string_view what, const std::string& why) {
  return {fmt::format("Cannot {} {}", what, why)};
}

}  // namespace

Result<Signature> in_place_of(const Task& task, Signature by) {
  constexpr std::string_view what = "replace with";
  if (option(by.options, "chord") != nullptr) return tl::unexpected(cannot(what, "a part of another chord"));
  if (comes_to_several(by)) {
    Signature collect{.task = std::string(accumulate_task)};
    set(collect.kwargs, "index", 0);
    by = make_chain({std::move(by), std::move(collect)});
  }
  drop(by.options, "task_id");
  auto ended = change_ends(by, [&](Signature& end) {
    set(end.options, "task_id", task.id);
    if (task.ignore_result) set(end.options, "ignore_result", true);
  });
  if (!ended) return tl::unexpected(cannot(what, ended.error().message));
  extend(by.options, "link", &task.embed.callbacks);
  extend(by.options, "link_error", &task.embed.errbacks);
  stand_in_chord(by, task);
  set(by.options, "replaced_task_nesting", task.replaced_task_nesting + 1);
  return by;
}

Result<Signature> beside(const Task& task, Signature part, std::size_t number) {
  std::size_t end_number = 0;
  drop(part.options, "task_id");
  auto ended = change_ends(part, [&](Signature& end) {
    set_default(end.options, "task_id", make_uuid(fmt::format("{}/{}/{}", task.id, number, end_number++)));
  });
  if (!ended) return tl::unexpected(cannot("add to a chord", ended.error().message));
  stand_in_chord(part, task);
  return part;
}

}  // namespace wherry::task

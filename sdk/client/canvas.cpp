#include <algorithm>

#include "base/wall_clock.h"
#include "sdk/client/workflow.h"
#include "wherry/canvas_types.h"
#include "wherry/error.h"

namespace wherry::canvas::detail {

void make_immutable(task::Signature& signature) {
  if (signature.kind() != task::Signature::Kind::group) {
    signature.immutable = true;
    return;
  }
  auto members = task::members(signature);
  if (!members) throw ClientError(Errc::invalid_argument, members.error().message);
  for (task::Signature& each : *members) make_immutable(each);
  task::set(signature.kwargs, "tasks", task::write_signatures(*members));
}

void set_options(task::Signature& signature, const EnqueueOptions& options) {
  if (options.timeout || !options.deduplication_key.empty()) {
    throw ClientError(Errc::invalid_argument, "timeout and deduplication_key are no options of a signature");
  }
  sdk::check_options(signature.task, options);
  sdk::add_options(signature.options, options, wall_now());
}

void add_link(task::Signature& signature, std::string_view which, const task::Signature& callback) {
  task::Value::Array links;
  const task::Value* there = task::find(signature.options, which);
  if (there != nullptr) {
    if (const auto* list = there->get<task::Value::Array>()) links = *list;
  }
  links.push_back(task::write_signature(callback));
  task::set(signature.options, which, std::move(links));
}

std::vector<task::Signature> joined(std::vector<task::Signature> first, const std::vector<task::Signature>& then) {
  first.insert(first.end(), then.begin(), then.end());
  return first;
}

task::Signature mapping(std::string_view which, std::string_view task, task::Value items) {
  return {.task = std::string(which),
          .kwargs = {{"task", task::write_signature({.task = std::string(task)})}, {"it", std::move(items)}},
          .immutable = true};
}

task::Signature chunked(std::string_view task, const task::Value::Array& items, std::size_t size) {
  if (size == 0) throw ClientError(Errc::invalid_argument, "chunks of no items");
  std::vector<task::Signature> parts;
  for (std::size_t at = 0; at < items.size(); at += size) {
    const auto begin = items.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = items.begin() + static_cast<std::ptrdiff_t>(std::min(at + size, items.size()));
    parts.push_back(mapping("celery.starmap", task, task::Value::Array(begin, end)));
  }
  return task::make_group(parts);
}

}  // namespace wherry::canvas::detail

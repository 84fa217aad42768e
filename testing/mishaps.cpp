#include "testing/mishaps.h"

#include <utility>

#include <fmt/format.h>

namespace wherry::testing {

void Mishaps::add(std::string task, worker::Mishap mishap, std::string what, unsigned attempt, unsigned times) {
  std::lock_guard lock(mutex_);
  all_.push_back({std::move(task), mishap, std::move(what), attempt, times});
}

std::optional<worker::Mishap> Mishaps::next(std::string_view task) {
  std::lock_guard lock(mutex_);
  std::optional<worker::Mishap> chosen;
  for (One& each : all_) {
    if (each.task != task) continue;
    ++each.seen;
    if (chosen || each.seen < each.attempt || each.happened == each.times) continue;
    ++each.happened;
    chosen = each.mishap;
  }
  return chosen;
}

std::vector<std::string> Mishaps::outstanding() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> texts;
  for (const One& each : all_) {
    if (each.happened == each.times) continue;
    texts.push_back(fmt::format("{} of {}: {} of {}", each.what, each.task, each.happened, each.times));
  }
  return texts;
}

}  // namespace wherry::testing

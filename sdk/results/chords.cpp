#include "sdk/results/chords.h"

#include <map>
#include <memory>
#include <string_view>
#include <utility>

namespace wherry::results {

namespace {

// The first two of a result tuple: [[id, parent], members].
const task::Value::Array* pair_of(const task::Value& value) {
  const auto* list = value.get<task::Value::Array>();
  return list != nullptr && list->size() == 2 ? list : nullptr;
}

class Arranger {
 public:
  explicit Arranger(std::vector<task::ResultMeta>& parts) {
    for (task::ResultMeta& each : parts) open_.emplace(each.task_id, &each.result);
  }

  // False: that is no tuple, or of a task that has not returned.
  bool place(const task::Value& tuple, task::Value::Array& into) {
    const auto* whole = pair_of(tuple);
    const auto* key = whole == nullptr ? nullptr : pair_of((*whole)[0]);
    const auto* id = key == nullptr ? nullptr : (*key)[0].get<std::string>();
    if (id == nullptr) return false;
    if (const auto* members = (*whole)[1].get<task::Value::Array>()) {
      task::Value::Array inner;
      if (!place_all(*members, inner)) return false;
      into.emplace_back(std::move(inner));
      return true;
    }
    const auto at = open_.find(*id);
    if (at == open_.end()) return false;
    into.push_back(std::move(*at->second));
    open_.erase(at);
    return true;
  }
  bool place_all(const task::Value::Array& tuples, task::Value::Array& into) {
    for (const task::Value& each : tuples) {
      if (!place(each, into)) return false;
    }
    return true;
  }
  bool is_open(const std::string& id) const { return open_.contains(id); }

 private:
  std::map<std::string, task::Value*, std::less<>> open_;
};

}  // namespace

void announce_chords(ResultBackend& backend, const std::vector<task::ChordSize>& chords,
                     const std::optional<AddedParts>& added, Monotonic deadline, Done<> done) {
  struct All {
    std::size_t open = 1;  // This function, until it has asked for everything.
    std::optional<Failure> failure = {};
  };
  auto all = std::make_shared<All>();
  auto told = [all, done = std::move(done)](const Outcome<void>& outcome) {
    if (!outcome) all->failure = outcome.error();
    if (--all->open > 0) return;
    if (all->failure) return done(tl::unexpected(*all->failure));
    done({});
  };
  for (const task::ChordSize& each : chords) {
    ++all->open;
    backend.set_chord_size(each.group_id, static_cast<std::size_t>(each.parts), deadline, told);
    if (each.tuple.is_null()) continue;
    ++all->open;
    backend.save_group(each.group_id, each.tuple, deadline, told);
  }
  if (added) {
    ++all->open;
    backend.add_to_chord(added->group_id, added->by, added->count, deadline, told);
  }
  told({});
}

Result<task::Value::Array> arranged(std::vector<task::ResultMeta> parts, const std::optional<task::Value>& tuple) {
  task::Value::Array results;
  results.reserve(parts.size());
  if (!tuple) {
    for (task::ResultMeta& each : parts) results.push_back(std::move(each.result));
    return results;
  }
  Arranger arranger(parts);
  const auto* whole = pair_of(*tuple);
  const auto* members = whole == nullptr ? nullptr : (*whole)[1].get<task::Value::Array>();
  if (members == nullptr || !arranger.place_all(*members, results)) {
    return fail("what was saved of its group does not fit its parts");
  }
  for (task::ResultMeta& each : parts) {
    if (arranger.is_open(each.task_id)) results.push_back(std::move(each.result));
  }
  return results;
}

}  // namespace wherry::results

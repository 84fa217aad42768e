#include "broker/tasks/tally.h"

#include <algorithm>

namespace wherry::broker::tasks {

void RunTimes::add(double seconds) {
  const auto bound = std::lower_bound(bounds.begin(), bounds.end(), seconds);
  ++counts[static_cast<std::size_t>(bound - bounds.begin())];
  least = count == 0 ? seconds : std::min(least, seconds);
  most = count == 0 ? seconds : std::max(most, seconds);
  ++count;
  sum += seconds;
}

void Tally::add(const std::string& name, const Event& event) {
  if (name.empty()) return;
  auto found = names_.find(name);
  if (found == names_.end()) {
    if (names_.size() == most_names) {
      names_.erase(std::min_element(names_.begin(), names_.end(), [](const auto& one, const auto& other) {
        return one.second.last < other.second.last;
      }));
    }
    found = names_.emplace(name, NameFigures{}).first;
  }
  NameFigures& figures = found->second;
  figures.last = event.arrived;
  switch (event.kind) {
    case Kind::sent:
      ++figures.sent;
      break;
    case Kind::received:
      ++figures.received;
      break;
    case Kind::started:
      ++figures.started;
      break;
    case Kind::succeeded:
      ++figures.succeeded;
      break;
    case Kind::failed:
      ++figures.failed;
      break;
    case Kind::retried:
      ++figures.retried;
      break;
    case Kind::revoked:
      ++figures.revoked;
      break;
    case Kind::rejected:
      ++figures.rejected;
      break;
    default:
      break;
  }
  if (event.runtime_s) figures.runtime.add(*event.runtime_s);
}

}  // namespace wherry::broker::tasks

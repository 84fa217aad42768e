#include "worker/metrics/tally.h"

#include <algorithm>

namespace wherry::metrics {

void Histogram::add(double seconds) {
  std::size_t index = 0;
  while (index < bounds.size() && seconds > bounds[index]) ++index;
  ++counts[index];
  sum += seconds;
}

Tally::Tally(const std::vector<std::string>& names) : names_(names) {
  std::sort(names_.begin(), names_.end());
  if (names_.size() > most_names) names_.resize(most_names);
  for (const std::string& name : names_) counts_.try_emplace(name);
}

TaskCounts& Tally::of(std::string_view name) {
  const auto found = counts_.find(name);
  if (found != counts_.end()) return found->second;
  has_other_ = true;
  return other_;
}

void Tally::each(const std::function<void(std::string_view, const TaskCounts&)>& visit) const {
  for (const std::string& name : names_) visit(name, counts_.at(name));
  if (has_other_) visit("other", other_);
}

}  // namespace wherry::metrics

#include "examples/backend/ledger.h"

namespace examples {

namespace {
constexpr std::size_t kMaxEntries = 10'000;
}

void Ledger::add(const std::string& id, std::string task, Clock::time_point asked) {
  std::lock_guard lock(mutex_);
  Entry entry;
  entry.task = std::move(task);
  entry.asked = asked;
  if (!entries_.emplace(id, std::move(entry)).second) return;
  order_.push_back(id);
  if (order_.size() > kMaxEntries) {
    entries_.erase(order_.front());
    order_.pop_front();
  }
}

nlohmann::json Ledger::note(std::string task, Clock::time_point asked, const std::string& id) {
  add(id, std::move(task), asked);
  finish(id, "SENT", nlohmann::json::object());
  return entry(id).value();
}

void Ledger::report(const std::string& id, const SummaryProgress& progress) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.finished) return;
  found->second.state = "PROGRESS";
  found->second.details["progress"] = progress;
  auto& reports = found->second.details["progress_reports"];
  reports = (reports.is_null() ? 0 : reports.get<int>()) + 1;
}

void Ledger::finish(const std::string& id, const std::string& state, nlohmann::json details) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  found->second.state = state;
  found->second.finished = Clock::now();
  if (details.is_object()) found->second.details.update(details);
}

nlohmann::json Ledger::describe(const std::string& id, const Entry& entry) const {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  nlohmann::json out = entry.details;
  out["id"] = id;
  out["task"] = entry.task;
  out["state"] = entry.state;
  out["latency_ms"] = Milliseconds(entry.finished.value_or(Clock::now()) - entry.asked).count();
  return out;
}

std::optional<nlohmann::json> Ledger::entry(const std::string& id) const {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return std::nullopt;
  return describe(id, found->second);
}

nlohmann::json Ledger::all() const {
  std::lock_guard lock(mutex_);
  nlohmann::json out = nlohmann::json::array();
  for (const std::string& id : order_) out.push_back(describe(id, entries_.at(id)));
  return out;
}

}  // namespace examples

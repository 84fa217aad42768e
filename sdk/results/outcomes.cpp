#include "sdk/results/outcomes.h"

#include <iterator>
#include <utility>

namespace wherry::results {

Outcomes::Outcomes(net::EventLoop& loop, std::function<void(std::vector<TaskRow>)> heard)
    : loop_(loop), heard_(std::move(heard)) {}

void Outcomes::put(std::vector<Finished> finished, std::vector<TaskRow> rows) {
  if (finished.empty() && rows.empty()) return;
  std::lock_guard lock(mutex_);
  finished_.insert(finished_.end(), std::make_move_iterator(finished.begin()), std::make_move_iterator(finished.end()));
  rows_.insert(rows_.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
  loop_.post([this, open = open_] {
    if (*open) tell();
  });
}

void Outcomes::close() {
  *open_ = false;
  for (Finished& each : finished_) each.done(std::move(each.failure));
}

void Outcomes::tell() {
  std::vector<Finished> finished;
  std::vector<TaskRow> rows;
  {
    std::lock_guard lock(mutex_);
    finished.swap(finished_);
    rows.swap(rows_);
  }
  for (Finished& each : finished) each.done(std::move(each.failure));
  if (!rows.empty()) heard_(std::move(rows));
}

}  // namespace wherry::results

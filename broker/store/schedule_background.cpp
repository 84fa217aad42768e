// What the schedule has done in the background, and what it does with the results.
#include <algorithm>

#include "broker/store/schedule.h"

namespace wherry::broker {

bool Schedule::answered(const DiskError& error) {
  if (error.code == std::errc::no_space_on_device) {
    retry_at_ = std::chrono::steady_clock::now() + options_.retry_after;
    return true;
  }
  failed_ = true;
  events_.failed(error);
  return false;
}

void Schedule::start_jobs() {
  if (failed_ || (retry_at_ && std::chrono::steady_clock::now() < *retry_at_)) return;
  retry_at_.reset();
  remove_passed();
  flush_oldest();
  merge_smallest();
}

RunHeader Schedule::next_header(std::uint64_t first_sequence, std::uint64_t last_sequence) {
  RunHeader header;
  header.number = next_number_++;
  header.id = options_.random();
  header.first_sequence = first_sequence;
  header.last_sequence = last_sequence;
  return header;
}

void Schedule::add_run(RunFile file) {
  runs_.push_back(std::make_unique<Run>(Run{.cursor = RunCursor(disk_, std::move(file), events_.damaged)}));
  runs_.back()->cursor.seek_after(taken_);
  runs_.back()->cursor.release();
}

// --- flushing: one at a time, oldest first, for a run says that everything scheduled before its last is in a run
// ------

void Schedule::flush_oldest() {
  if (flushing_) return;
  // What has fired durably meanwhile needs no run.
  while (!frozen_.empty() && frozen_.front().at_end() && frozen_.front().entries->back().key <= fired_durably_) {
    frozen_.pop_front();
  }
  if (frozen_.empty()) return;
  flushing_ = true;
  const Frozen& oldest = frozen_.front();
  RunHeader header = next_header(oldest.first_sequence, oldest.last_sequence);
  header.holds = oldest.holds;
  auto made = std::make_shared<DiskResult<RunFile>>(tl::unexpected(DiskError{}));
  events_.start(
      [this, made, entries = oldest.entries, header] { *made = write_run(disk_, options_.folder, header, *entries); },
      [this, made] {
        flushing_ = false;
        if (*made) {
          frozen_.pop_front();
          add_run(std::move(**made));
        } else if (!answered(made->error())) {
          return;
        }
        tidy();
      });
}

// --- merging: the smallest together, so that each message is written a few times only
// ---------------------------------

void Schedule::merge_smallest() {
  if (merging_ || runs_.size() <= options_.max_runs) return;
  std::vector<Run*> smallest;
  for (const auto& run : runs_) smallest.push_back(run.get());
  std::sort(smallest.begin(), smallest.end(),
            [](const Run* a, const Run* b) { return a->cursor.remaining_bytes() < b->cursor.remaining_bytes(); });
  smallest.resize(std::min(smallest.size() / 2 + 1, kMaxReplacedRuns));
  std::vector<RunFile> inputs;
  RunHeader header = next_header(next_sequence_, 0);
  for (Run* run : smallest) {
    run->merging = true;
    const RunHeader& input = run->cursor.run().header;
    header.first_sequence = std::min(header.first_sequence, input.first_sequence);
    header.last_sequence = std::max(header.last_sequence, input.last_sequence);
    header.holds = header.holds || input.holds;
    header.replaces.push_back(input.number);
    inputs.push_back(run->cursor.run());
  }
  merging_ = true;
  step_merge(
      std::make_shared<RunMerge>(disk_, options_.folder, std::move(header), std::move(inputs), fired_durably_, drops_));
}

void Schedule::step_merge(std::shared_ptr<RunMerge> merge) {
  auto done = std::make_shared<DiskResult<bool>>(false);
  events_.start(
      [this, merge, done] {
        *done = merge->step(options_.merge_step_bytes);
        if (!*done) merge->abandon();
      },
      [this, merge, done] {
        // A part at a time: a run that must be flushed comes between.
        if (*done && !**done) return step_merge(merge);
        merging_ = false;
        if (*done) {
          merged(*merge);
        } else {
          for (const auto& run : runs_) run->merging = false;
          if (!answered(done->error())) return;
        }
        tidy();
      });
}

void Schedule::merged(RunMerge& merge) {
  for (const ScheduleDamage& damage : merge.damage()) events_.damaged(damage);
  for (const auto& run : runs_) {
    if (!run->merging) continue;
    const RunFile& input = run->cursor.run();
    const bool damaged = run->cursor.saw_damage() ||
                         std::any_of(merge.damage().begin(), merge.damage().end(),
                                     [&](const ScheduleDamage& damage) { return damage.file == input.path; });
    removing_.push_back({input.path, damaged, input.header.first_sequence});
  }
  std::erase_if(runs_, [](const auto& run) { return run->merging; });
  if (merge.made()) add_run(*merge.made());
}

// --- removing --------------------------------------------------------------------------------------------------------

void Schedule::remove_passed() {
  // A search reads them still.
  if (removing_now_ != 0 || search_) return;
  std::erase_if(runs_, [&](const auto& run) {
    const RunCursor& cursor = run->cursor;
    // Where damage hides the last key, the end of what can be read is the end.
    const bool passed = cursor.run().footer.last <= fired_durably_ || (cursor.at_end() && fired_durably_ == taken_);
    if (run->merging || !passed) return false;
    removing_.push_back({cursor.run().path, cursor.saw_damage(), cursor.run().header.first_sequence});
    return true;
  });
  if (removing_.empty()) return;
  removing_now_ = removing_.size();
  auto done = std::make_shared<DiskResult<void>>();
  events_.start([this, done, runs = removing_] { *done = remove_runs(disk_, options_.folder, runs); },
                [this, done] {
                  removing_.erase(removing_.begin(), removing_.begin() + static_cast<std::ptrdiff_t>(removing_now_));
                  removing_now_ = 0;
                  if (*done || answered(done->error())) tidy();
                });
}

}  // namespace wherry::broker

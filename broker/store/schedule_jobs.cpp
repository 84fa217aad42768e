#include "broker/store/schedule_jobs.h"

#include <algorithm>

namespace wherry::broker {

DiskResult<RunFile> write_run(Vfs& disk, const std::string& folder, RunHeader header, const ScheduleEntries& entries) {
  auto writer = RunWriter::begin(disk, folder, std::move(header));
  if (!writer) return tl::unexpected(writer.error());
  std::string payload;
  for (const ScheduleEntry& entry : entries) {
    payload.clear();
    encode_scheduled(payload, entry.key, *entry.vhost, *entry.message, entry.queue);
    if (auto done = (*writer)->add(entry.key, payload); !done) {
      (*writer)->abandon();
      return tl::unexpected(done.error());
    }
  }
  auto run = (*writer)->finish();
  if (!run) (*writer)->abandon();
  return run;
}

RunMerge::RunMerge(Vfs& disk, std::string folder, RunHeader header, std::vector<RunFile> inputs, ScheduleKey behind,
                   ScheduleDrops drops)
    : disk_(disk),
      folder_(std::move(folder)),
      header_(std::move(header)),
      inputs_(std::move(inputs)),
      behind_(behind),
      drops_(std::move(drops)) {}

RunCursor* RunMerge::next() {
  RunCursor* least = nullptr;
  for (const auto& cursor : cursors_) {
    if (!cursor->at_end() && (least == nullptr || cursor->key() < least->key())) least = cursor.get();
  }
  return least;
}

DiskResult<bool> RunMerge::step(std::uint64_t bytes) {
  if (!writer_) {
    auto writer = RunWriter::begin(disk_, folder_, header_);
    if (!writer) return tl::unexpected(writer.error());
    writer_ = std::move(*writer);
    for (const RunFile& input : inputs_) {
      auto report = [this](const ScheduleDamage& damage) { damage_.push_back(damage); };
      cursors_.push_back(std::make_unique<RunCursor>(disk_, input, std::move(report)));
      cursors_.back()->seek_after(behind_);
    }
  }
  for (std::uint64_t done = 0; done < bytes;) {
    RunCursor* cursor = next();
    if (cursor == nullptr) {
      cursors_.clear();
      if (writer_->entries() == 0) {
        writer_->abandon();
        return true;
      }
      auto run = writer_->finish();
      if (!run) return tl::unexpected(run.error());
      made_ = std::move(*run);
      return true;
    }
    const ScheduleKey key = cursor->key();
    const auto payload = cursor->take_payload();
    if (!payload) continue;
    done += payload->size();
    // In two runs, where a run was written twice because the disk could not say that it was there.
    if (writer_->entries() > 0 && key <= writer_->last()) continue;
    const auto entry = decode_scheduled(*payload);
    if (entry && drops_.covers(key, entry->queue, entry->vhost, entry->exchange)) continue;
    if (auto added = writer_->add(key, *payload); !added) return tl::unexpected(added.error());
  }
  return false;
}

void RunMerge::abandon() {
  cursors_.clear();
  if (writer_) writer_->abandon();
}

DiskResult<void> remove_runs(Vfs& disk, const std::string& folder, const std::vector<RunRemoval>& runs) {
  for (const RunRemoval& run : runs) {
    auto done = run.keep_aside ? disk.rename(run.path, run.path + ".damaged") : disk.remove(run.path);
    if (!done) return done;
  }
  return disk.sync_folder(folder);
}

}  // namespace wherry::broker

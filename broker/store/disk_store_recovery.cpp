// What the store finds on the disk when it is opened, and how queues get it back.
#include <fmt/format.h>

#include "base/assert.h"
#include "base/log.h"
#include "broker/queueing/queue_limits.h"
#include "broker/store/disk_store.h"
#include "broker/store/quarantine.h"

namespace wherry::broker {

DiskResult<std::unique_ptr<DiskStore>> DiskStore::open(Vfs& disk, Options options, Owner owner) {
  std::unique_ptr<DiskStore> store(new DiskStore(disk, std::move(options), std::move(owner)));
  for (const std::string& folder : {store->options_.folder, store->log_folder(), store->segment_folder()}) {
    if (auto done = disk.make_folder(folder); !done) return tl::unexpected(done.error());
  }
  if (auto done = store->open_segments(); !done) return tl::unexpected(done.error());
  if (auto done = store->open_schedule(); !done) return tl::unexpected(done.error());
  if (auto done = store->open_log(); !done) return tl::unexpected(done.error());
  store->progress_ = store->writer_->progress();
  store->durable_ = store->progress_.done_lsn;
  store->schedule_->recovered();
  return store;
}

void DiskStore::report(const std::string& file, std::uint64_t begin, std::uint64_t end, const std::string& what) {
  ++damaged_;
  const std::string copy = quarantine(disk_, options_.folder + "/quarantine", file, begin, end);
  log::error("store", "damaged: {}, bytes {} to {}: {}{}", file, begin, end, what,
             copy.empty() ? "" : "; a copy is in " + copy);
}

// --- segments --------------------------------------------------------------------------------------------------------

DiskResult<void> DiskStore::open_segments() {
  // Names first: what is read below must not go away in a power cut that follows.
  if (auto done = disk_.sync_folder(segment_folder()); !done) return done;
  const auto found = read_segments();
  if (!found) return tl::unexpected(found.error());
  for (const std::string& path : found->temporary) {
    if (auto done = disk_.remove(path); !done) return done;
  }
  for (const auto& [sequence, path] : found->replaced) doomed_.push_back({sequence, path, true});
  for (const auto& [sequence, path] : found->transient) doomed_.push_back({sequence, path, false});
  for (const SegmentDamage& damage : found->damage) {
    report(damage.file, damage.begin, damage.end, "its other pages were found");
  }
  return {};
}

// --- the log ---------------------------------------------------------------------------------------------------------

DiskResult<void> DiskStore::open_log() {
  Log::Options options{.folder = log_folder(),
                       .file_bytes = options_.log_file_bytes,
                       .spare_files = options_.spare_files,
                       .random = options_.random};
  auto log = Log::open(disk_, std::move(options), [this](const LogRecord& record) { replay(record); });
  if (!log) return tl::unexpected(log.error());
  if (unknown_record()) {
    return disk_error("read records of a newer version in", log_folder(), std::errc::not_supported);
  }
  for (const LogDamage& damage : (*log)->found().damage) {
    report(damage.file, damage.begin, damage.end,
           damage.last_lsn < damage.first_lsn
               ? std::string("a spare copy; nothing is lost")
               : fmt::format("records {} to {} are lost", damage.first_lsn, damage.last_lsn));
  }
  LogWriter::Events events;
  events.progress = [this, alive = std::weak_ptr<bool>(alive_)] {
    if (progress_posted_.exchange(true)) return;
    owner_.post([this, alive] {
      if (!alive.expired()) on_progress();
    });
  };
  events.failed = [this, alive = std::weak_ptr<bool>(alive_)](const DiskError& error) {
    owner_.post([this, alive, error] {
      if (alive.expired() || std::exchange(failed_, true)) return;
      owner_.failed(error);
    });
  };
  events.full = [this, alive = std::weak_ptr<bool>(alive_)](bool full) {
    owner_.post([this, alive, full] {
      if (!alive.expired()) set_full(full);
    });
  };
  writer_ = std::make_unique<LogWriter>(std::move(*log), std::move(events),
                                        options_.threads ? LogWriter::Threads::own : LogWriter::Threads::none);
  return {};
}

bool DiskStore::replay_delays(const LogRecord& record) {
  switch (static_cast<RecordType>(record.type)) {
    case RecordType::scheduled:
      return schedule_->replay(ScheduleRecord::scheduled, record.lsn, record.payload);
    case RecordType::fired:
      return schedule_->replay(ScheduleRecord::fired, record.lsn, record.payload);
    case RecordType::withdrawn:
      return schedule_->replay(ScheduleRecord::withdrawn, record.lsn, record.payload);
    default:
      return schedule_->replay(ScheduleRecord::dropped, record.lsn, record.payload);
  }
}

void DiskStore::replay_released(Lsn lsn, QueueId queue, const ScheduleKey& key) {
  schedule_->replay_released(lsn, queue, key);
}

// --- to the queues ---------------------------------------------------------------------------------------------------

void DiskStore::count_again(QueueId queue, KeptPage& page) {
  std::uint64_t bytes = 0;
  std::uint32_t expiring = 0;
  const Position first = page.chunk * chunk_positions + page.live.first();
  load(queue, first, [&](const Loaded& loaded) {
    bytes += loaded.message->body().size();
    if (expiration_of(*loaded.message)) ++expiring;
  });
  page.body_bytes = bytes;
  page.expiring = expiring;
}

Position DiskStore::recover(QueueId queue, const std::function<void(const Loaded&)>& message,
                            const std::function<void(const Page&)>& each_page) {
  KeptQueue* kept = find(queue);
  if (kept == nullptr) return no_position + 1;
  kept->claimed = true;
  // The messages of a chunk's pages may lie between each other, and those whose settling was not durable between them:
  // a chunk is told as one.
  Page chunk;
  Position next = no_position;
  const auto tell_messages_before = [&](Position end) {
    kept->unretired.each_in(next, end, [&](const UnretiredMessage& each) {
      message({each.at, each.message, each.delivery_count});
    });
    next = end;
  };
  const auto tell = [&] {
    if (!chunk.live.any()) return;
    const Position first = chunk.chunk * chunk_positions;
    tell_messages_before(first);
    next = first + chunk_positions;
    kept->unretired.each_in(first, next, [&](const UnretiredMessage& each) {
      chunk.live.set(static_cast<unsigned>(each.at % chunk_positions));
      chunk.body_bytes += each.message->body().size();
      if (expiration_of(*each.message)) ++chunk.expiring;
    });
    each_page(chunk);
  };
  for (KeptPage& page : kept->pages) {
    if (!page.live.any()) continue;
    // What was settled of it is known by position only.
    if (page.live != page.written) count_again(queue, page);
    if (page.chunk != chunk.chunk) {
      tell();
      chunk = Page{.chunk = page.chunk};
    }
    chunk.live = chunk.live | page.live;
    chunk.body_bytes += page.body_bytes;
    chunk.expiring += page.expiring;
  }
  tell();
  tell_messages_before(kept->highest + 1);
  return kept->highest + 1;
}

void DiskStore::recover_notes(QueueId queue, const std::function<void(Lsn, std::string_view)>& each) {
  const auto found = logged_notes_.find(queue);
  if (found == logged_notes_.end()) return;
  noted_[queue] = found->second.front().lsn;
  for (const LoggedNote& note : found->second) each(note.lsn, note.text);
  logged_notes_.erase(found);
}

void DiskStore::recovered_all() {
  logged_notes_.clear();
  std::vector<QueueId> unclaimed;
  for (const auto& [queue, kept] : queues_) {
    if (!kept->claimed) unclaimed.push_back(queue);
  }
  for (QueueId queue : unclaimed) drop(queue);
  dead_segments_ = true;
  drop_dead_segments();
  maintain();
}

}  // namespace wherry::broker

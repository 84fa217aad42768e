// What follows from the log's progress: its oldest file's messages move to a segment, sparse segments are rewritten,
// and files that nobody needs go.
#include <utility>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/log.h"
#include "broker/store/disk_store.h"

namespace wherry::broker {
namespace {

constexpr std::uint64_t kRewriteBytes = std::uint64_t{32} << 20;  // Alive in what is rewritten at once.
constexpr std::size_t kRewriteSegments = 64;
constexpr std::chrono::milliseconds kTryFullDiskEvery{500};

}  // namespace

// From the log: entries, up to the record `last`. From sparse segments: their live pages, read as they are written.
struct DiskStore::Move {
  struct Source {
    QueueId queue = 0;
    KeptPage page;
    std::string path;  // Of the segment, for reports.
  };
  Lsn last = 0;
  std::vector<SegmentEntry> entries;
  std::vector<Source> sources;
  std::vector<std::uint64_t> inputs;
  SegmentHeader header;
  DiskResult<SegmentContents> written{tl::unexpected(DiskError{})};
  bool damaged = false;

  void run(Vfs& disk, const std::string& folder);
  bool next(Vfs& disk, const std::string& folder, SegmentEntry& into);

 private:
  std::size_t next_entry_ = 0;
  std::size_t next_source_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Segment>> open_;
  std::string buffer_;
  std::optional<DiskError> read_error_;
};

void DiskStore::Move::run(Vfs& disk, const std::string& folder) {
  written = write_segment(disk, folder, header, [&](SegmentEntry& into) { return next(disk, folder, into); });
  if (read_error_) written = tl::unexpected(*read_error_);
  if (!written || damaged) {
    const std::string name = written ? segment_file_name(header.sequence) : segment_temporary_name(header.sequence);
    (void)disk.remove(folder + "/" + name);
  }
}

bool DiskStore::Move::next(Vfs& disk, const std::string& folder, SegmentEntry& into) {
  while (next_entry_ == entries.size()) {
    if (next_source_ == sources.size() || damaged || read_error_) return false;
    const Source& source = sources[next_source_++];
    entries.clear();
    next_entry_ = 0;
    const std::uint64_t sequence = segment_sequence(source.path.substr(source.path.rfind('/') + 1));
    auto& segment = open_[sequence];
    if (!segment) {
      auto opened = Segment::open(disk, folder, sequence);
      if (!opened) {
        read_error_ = opened.error();
        return false;
      }
      segment = std::move(*opened);
    }
    auto read = segment->read_page(
        source.page.offset, source.page.length, buffer_,
        [&](std::string_view raw) {
          const EntryPlace place = entry_place(raw);
          if (place.queue != source.queue || place.at / chunk_positions != source.page.chunk) return;
          if (!source.page.live.test(static_cast<unsigned>(place.at % chunk_positions))) return;
          entries.push_back(decode_segment_entry(raw));
          damaged = damaged || !entries.back().message;
        },
        [&](const SegmentDamage&) { damaged = true; });
    if (!read) read_error_ = read.error();
    if (damaged || read_error_) return false;
  }
  into = std::move(entries[next_entry_++]);
  return true;
}

// --- when to do what -------------------------------------------------------------------------------------------------

void DiskStore::on_progress() {
  progress_posted_.store(false);
  progress_ = writer_->progress();
  const bool moved = std::exchange(durable_, progress_.done_lsn) != progress_.done_lsn;
  schedule_->tidy();
  maintain();
  if (moved && moved_) moved_();
}

void DiskStore::maintain() {
  if (failed_ || background_->busy()) return;
  if (!doomed_.empty()) return remove_files();
  if (segments_full_ && std::chrono::steady_clock::now() < try_segments_at_) return;
  begin_next_move();
  // What found no room may have been settled meanwhile: then nothing waits for it any more.
  if (!background_->busy()) set_segments_full(false);
}

void DiskStore::begin_next_move() {
  const bool over = progress_.log_bytes > options_.log_budget_bytes ||
                    memory_bytes_.load(std::memory_order_relaxed) > options_.memory_budget_bytes;
  // Where delayed messages are in the way, a job that moves them has begun, and comes back here.
  if (over && progress_.oldest_last_lsn > retiring_ && schedule_->release_up_to(progress_.oldest_last_lsn)) {
    return retire_oldest(progress_.oldest_last_lsn);
  }
  if (!spilling_.empty()) {
    auto move = std::make_shared<Move>();
    move->entries = std::exchange(spilling_, {});
    move->header.transient = true;
    std::sort(move->entries.begin(), move->entries.end(), [](const SegmentEntry& a, const SegmentEntry& b) {
      return a.queue != b.queue ? a.queue < b.queue : a.at < b.at;
    });
    return start_move(std::move(move));
  }
  rewrite_sparse();
}

void DiskStore::retire_oldest(Lsn last) {
  // What was appended in this turn is in nobody's old file; what is settled in it need not be moved.
  std::shared_ptr<Move> move = collect(last);
  if (!move->entries.empty()) return start_move(std::move(move));
  may_go_at_once_ = nothing_to_carry(last) ? last : 0;
  carry_on(last);
  writer_->hand_over();
  retiring_ = last;
  writer_->retire_below(last + 1);
}

std::shared_ptr<DiskStore::Move> DiskStore::collect(Lsn last) {
  auto move = std::make_shared<Move>();
  move->last = last;
  std::vector<std::pair<QueueId, KeptQueue*>> from;
  for (auto found = queues_.begin(); found != queues_.end();) {
    KeptQueue& kept = *found->second;
    if (!kept.unretired.empty() && kept.unretired.front().lsn <= last) {
      from.emplace_back(found->first, &kept);
    } else if (kept.unretired.empty() && kept.pages.empty() && kept.settled_end == no_position) {
      if (last_ == &kept) last_ = nullptr;
      found = queues_.erase(found);
      continue;
    }
    ++found;
  }
  std::sort(from.begin(), from.end());
  for (const auto& [queue, kept] : from) {
    kept->unretired.each_until([&, id = queue](const UnretiredMessage& message) {
      if (message.lsn > last) return false;
      if (message.message) move->entries.push_back({id, message.at, message.message, message.delivery_count});
      return true;
    });
  }
  return move;
}

bool DiskStore::nothing_to_carry(Lsn last) const {
  const bool notes = std::any_of(noted_.begin(), noted_.end(), [&](const auto& each) { return each.second <= last; });
  return !notes && !schedule_->needs_up_to(last) && (logged_pages_.empty() || logged_pages_.front().lsn > last) &&
         (logged_attempts_.empty() || logged_attempts_.front().lsn > last);
}

void DiskStore::log_page(QueueId queue, KeptPage& page) {
  close_publish();
  payload_.clear();
  encode_page_state(payload_, {queue, page.chunk, page.segment->file->sequence(), page.index, page.live});
  const Lsn lsn =
      writer_->append(static_cast<std::uint8_t>(RecordType::page_state), {payload_}, LogWriter::Sync::not_wanted);
  remember_logged(queue, page, lsn);
}

void DiskStore::carry_on(Lsn last) {
  for (auto at = noted_.begin(); at != noted_.end();) {
    const auto noted = at++;
    if (noted->second > last) continue;
    // The queue's own notes may be added meanwhile, not those of others.
    noted->second = last + 1;
    if (!renew_notes_ || !renew_notes_(noted->first, last)) noted_.erase(noted);
  }
  while (!logged_pages_.empty() && logged_pages_.front().lsn <= last) {
    const LoggedPage logged = logged_pages_.front();
    logged_pages_.pop_front();
    KeptQueue* kept = find(logged.queue);
    if (kept == nullptr) continue;
    kept->each_page(logged.chunk, [&](KeptPage& page) {
      if (page.segment->file->sequence() == logged.segment && page.index == logged.index) log_page(logged.queue, page);
    });
  }
  while (!logged_attempts_.empty() && logged_attempts_.front().lsn <= last) {
    const LoggedAttempts logged = logged_attempts_.front();
    logged_attempts_.pop_front();
    KeptQueue* kept = find(logged.queue);
    if (kept == nullptr) continue;
    if (auto found = kept->attempts.find(logged.at); found != kept->attempts.end()) {
      attempted(logged.queue, logged.at, found->second);
    }
  }
}

// --- moving ----------------------------------------------------------------------------------------------------------

void DiskStore::start_move(std::shared_ptr<Move> move) {
  move->header.sequence = next_segment_++;
  move->header.file_id = random();
  move->header.replaces = move->inputs;
  background_->start([this, move] { move->run(disk_, segment_folder()); }, [this, move] { finish_move(*move); });
}

void DiskStore::finish_move(Move& move) {
  for (std::uint64_t input : move.inputs) {
    if (auto segment = segments_.find(input); segment != segments_.end()) segment->second.rewriting = false;
  }
  if (move.damaged) {
    // Whoever reads these pages next reports what is lost; nothing is rewritten over it.
    for (std::uint64_t input : move.inputs) {
      if (auto segment = segments_.find(input); segment != segments_.end()) segment->second.damaged = true;
    }
    return maintain();
  }
  if (!move.written) {
    const DiskError& error = move.written.error();
    if (error.code != std::errc::no_space_on_device) {
      failed_ = true;
      return owner_.failed(error);
    }
    try_segments_at_ = std::chrono::steady_clock::now() + kTryFullDiskEvery;
    // The log may stand still meanwhile: nothing else would come back to it.
    background_->wake_after(kTryFullDiskEvery, [this] { maintain(); });
    return set_segments_full(true);
  }
  set_segments_full(false);
  auto adopted = Segment::adopt(disk_, segment_folder(), std::move(*move.written));
  if (!adopted) {
    failed_ = true;
    return owner_.failed(adopted.error());
  }
  SegmentContents contents = (*adopted)->take_contents();
  KeptSegment& segment = segments_[contents.header.sequence];
  segment.file = std::move(*adopted);
  segment_bytes_ += segment.file->size_bytes();
  segment.transient = move.header.transient;
  if (segment.transient) {
    finish_spilled(segment, contents.pages);
  } else if (move.inputs.empty()) {
    finish_retired(move, segment, contents.pages);
  } else {
    finish_rewritten(move, segment, contents.pages);
  }
  dead_segments_ = dead_segments_ || segment.live == 0;
  writer_->hand_over();
  if (dead_segments_) drop_dead_segments();
  maintain();
}

namespace {

KeptPage kept_page(KeptSegment& segment, const PageInfo& info, std::uint32_t index, ChunkBits live) {
  KeptPage page;
  page.chunk = info.chunk;
  page.written = info.written;
  page.live = live;
  page.segment = &segment;
  page.offset = info.offset;
  page.length = info.length;
  page.index = index;
  page.expiring = info.expiring;
  page.body_bytes = info.body_bytes;
  segment.messages += info.written.count();
  segment.live += live.count();
  segment.pages.emplace_back(info.queue, info.chunk);
  return page;
}

}  // namespace

void DiskStore::finish_retired(Move& move, KeptSegment& segment, const std::vector<PageInfo>& pages) {
  // Attempts that came while it was written; entries are in the order of the pages' bits.
  std::size_t entry = 0;
  std::uint32_t index = 0;
  for (const PageInfo& info : pages) {
    KeptQueue* kept = find(info.queue);
    ChunkBits live;
    info.written.each([&](unsigned bit) {
      const SegmentEntry& moved = move.entries[entry++];
      UnretiredMessage* message = kept != nullptr ? kept->unretired.find(moved.at) : nullptr;
      if (message == nullptr) return;
      live.set(bit);
      if (message->delivery_count != moved.delivery_count) kept->attempts[moved.at] = message->delivery_count;
    });
    KeptPage page = kept_page(segment, info, index++, live);
    if (kept == nullptr) continue;
    // Settled meanwhile: those records are in the log, behind the file that retires.
    if (live != info.written) log_page(info.queue, page);
    kept->insert(page);
  }
  QueueId queue = 0;
  for (const SegmentEntry& moved : move.entries) {
    if (moved.queue == std::exchange(queue, moved.queue)) continue;
    KeptQueue* kept = find(moved.queue);
    if (kept == nullptr) continue;
    while (!kept->unretired.empty() && kept->unretired.front().lsn <= move.last) {
      if (kept->unretired.front().message) {
        memory_bytes_.fetch_sub(kept->unretired.front().message->footprint(), std::memory_order_relaxed);
      }
      kept->unretired.pop_front();
    }
    kept->unretired.drop_settled_front();
  }
  carry_on(move.last);
  writer_->hand_over();
  retiring_ = move.last;
  writer_->retire_below(move.last + 1);
  tell_kept(segment, pages);
}

void DiskStore::finish_spilled(KeptSegment& segment, const std::vector<PageInfo>& pages) {
  std::uint32_t index = 0;
  for (const PageInfo& info : pages) {
    KeptQueue* kept = find(info.queue);
    const KeptPage page = kept_page(segment, info, index++, kept == nullptr ? ChunkBits{} : info.written);
    if (kept != nullptr) kept->insert(page);
  }
  tell_kept(segment, pages);
}

void DiskStore::tell_kept(const KeptSegment& segment, const std::vector<PageInfo>& pages) {
  if (!kept_) return;
  for (const PageInfo& info : pages) {
    ChunkBits live;
    if (KeptQueue* kept = find(info.queue)) {
      kept->each_page(info.chunk, [&](const KeptPage& page) {
        if (page.segment == &segment) live = live | (page.live & info.written);
      });
    }
    if (live.any()) kept_(info.queue, info.chunk, live, segment.transient);
  }
}

// --- sparse segments -------------------------------------------------------------------------------------------------

bool DiskStore::rewrite_sparse() {
  std::uint64_t live = 0;
  for (const auto& [sequence, segment] : segments_) live += segment.live_bytes();
  if (segment_bytes_ <= 2 * live + options_.dead_bytes_allowed) return false;
  std::vector<std::pair<double, std::uint64_t>> sparse;
  for (const auto& [sequence, segment] : segments_) {
    if (segment.damaged || segment.transient || segment.removing || segment.live == 0) continue;
    const double alive = static_cast<double>(segment.live) / static_cast<double>(segment.messages);
    if (alive < 0.5) sparse.emplace_back(alive, sequence);
  }
  std::sort(sparse.begin(), sparse.end());
  auto move = std::make_shared<Move>();
  std::uint64_t bytes = 0;
  for (const auto& [alive, sequence] : sparse) {
    KeptSegment& segment = segments_.at(sequence);
    bytes += segment.live_bytes();
    if (move->inputs.size() == kRewriteSegments || (bytes > kRewriteBytes && !move->inputs.empty())) break;
    move->inputs.push_back(sequence);
    segment.rewriting = true;
    for (const auto& [queue, chunk] : segment.pages) {
      KeptQueue* kept = find(queue);
      if (kept == nullptr) continue;
      kept->each_page(chunk, [&, id = queue](const KeptPage& page) {
        if (page.segment == &segment && page.live.any()) move->sources.push_back({id, page, segment.file->path()});
      });
    }
  }
  if (move->inputs.empty()) return false;
  // A chunk may be in the list twice where a segment has two pages of it.
  const auto before = [](const Move::Source& a, const Move::Source& b) {
    return a.queue != b.queue ? a.queue < b.queue : a.page < b.page;
  };
  const auto same = [](const Move::Source& a, const Move::Source& b) {
    return a.page.segment == b.page.segment && a.page.index == b.page.index;
  };
  std::sort(move->sources.begin(), move->sources.end(), before);
  move->sources.erase(std::unique(move->sources.begin(), move->sources.end(), same), move->sources.end());
  start_move(std::move(move));
  return true;
}

void DiskStore::finish_rewritten(Move& move, KeptSegment& segment, const std::vector<PageInfo>& pages) {
  // What is alive of the old pages now is alive of the new ones; attempts stay where they are, by position.
  struct Fresh {
    QueueId queue;
    KeptPage page;
  };
  std::vector<Fresh> fresh;
  std::uint32_t index = 0;
  for (const PageInfo& info : pages) {
    ChunkBits live;
    if (KeptQueue* kept = find(info.queue)) {
      kept->each_page(info.chunk, [&](const KeptPage& old) {
        if (std::find(move.inputs.begin(), move.inputs.end(), old.segment->file->sequence()) == move.inputs.end())
          return;
        live = live | (old.live & info.written);
      });
    }
    fresh.push_back({info.queue, kept_page(segment, info, index++, live)});
  }
  for (std::uint64_t input : move.inputs) {
    doomed_.push_back({input, segments_.at(input).file->path(), true});
    forget_segment(input);
  }
  for (Fresh& each : fresh) {
    KeptQueue* kept = find(each.queue);
    if (kept == nullptr) continue;
    if (each.page.live != each.page.written) log_page(each.queue, each.page);
    kept->insert(each.page);
  }
}

// --- files that go ---------------------------------------------------------------------------------------------------

void DiskStore::forget_segment(std::uint64_t sequence) {
  auto found = segments_.find(sequence);
  if (found == segments_.end()) return;
  KeptSegment& segment = found->second;
  // Neighbours are mostly of the same queue and adjacent there.
  QueueId queue = 0;
  for (const auto& [id, chunk] : segment.pages) {
    if (id == std::exchange(queue, id)) continue;
    KeptQueue* kept = find(id);
    if (kept == nullptr) continue;
    const auto of_segment = [&](const KeptPage& page) { return page.segment == &segment; };
    while (!kept->pages.empty() && of_segment(kept->pages.front())) kept->pages.pop_front();
    if (std::any_of(kept->pages.begin(), kept->pages.end(), of_segment)) std::erase_if(kept->pages, of_segment);
  }
  segment_bytes_ -= segment.file->size_bytes();
  segments_.erase(found);
}

void DiskStore::drop_dead_segments() {
  dead_segments_ = false;
  for (auto& [sequence, segment] : segments_) {
    // One that is being rewritten is still read.
    if (segment.live > 0 || segment.rewriting || segment.removing) continue;
    segment.removing = true;
    doomed_.push_back({sequence, segment.file->path(), false});
  }
  if (!background_->busy()) remove_files();
}

void DiskStore::remove_files() {
  if (doomed_.empty()) return;
  struct Removal {
    std::vector<Doomed> files;
    std::vector<std::uint64_t> gone;
    DiskResult<void> outcome;
  };
  auto removal = std::make_shared<Removal>();
  removal->files.swap(doomed_);
  background_->start(
      [this, removal] {
        // A removal that a power cut undoes must not outlive what made it harmless: a segment that replaces another
        // goes after it, and the log forgets what was settled of a segment when that is gone for good.
        for (const Doomed& file : removal->files) {
          removal->outcome = disk_.remove(file.path);
          if (removal->outcome && file.replaced) removal->outcome = disk_.sync_folder(segment_folder());
          if (!removal->outcome) return;
          removal->gone.push_back(file.sequence);
        }
        removal->outcome = disk_.sync_folder(segment_folder());
      },
      [this, removal] {
        if (!removal->outcome) {
          failed_ = true;
          return owner_.failed(removal->outcome.error());
        }
        for (std::uint64_t sequence : removal->gone) forget_segment(sequence);
        maintain();
      });
}

// --- a full disk -----------------------------------------------------------------------------------------------------

void DiskStore::set_full(bool full) {
  log_full_ = full;
  if (!segments_full_) owner_.full(full);
  if (full) make_free_room();
}

void DiskStore::set_segments_full(bool full) {
  if (std::exchange(segments_full_, full) != full && !log_full_) owner_.full(full);
}

void DiskStore::make_free_room() {
  // The log cannot be written, so nothing may be carried on: only files that hold nothing any more can go.
  const Lsn last = writer_->progress().oldest_last_lsn;
  // One that was told to retire waits for what was committed before, which waits for room: it need not.
  if ((last <= retiring_ && last != may_go_at_once_) || background_->busy() || !nothing_to_carry(last) ||
      !collect(last)->entries.empty())
    return;
  retiring_ = last;
  writer_->retire_at_once(last + 1);
}

}  // namespace wherry::broker

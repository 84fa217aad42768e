#include "broker/store/store_contents.h"

#include <algorithm>
#include <set>

#include "base/assert.h"
#include "broker/store/message_image.h"
#include "broker/store/schedule_format.h"

namespace wherry::broker {

KeptQueue* StoreContents::find(QueueId queue) {
  if (queue == last_id_ && last_ != nullptr) return last_;
  auto found = queues_.find(queue);
  if (found == queues_.end()) return nullptr;
  last_id_ = queue;
  return last_ = found->second.get();
}

KeptQueue& StoreContents::find_or_make(QueueId queue) {
  if (KeptQueue* kept = find(queue)) return *kept;
  last_id_ = queue;
  last_ = (queues_[queue] = std::make_unique<KeptQueue>()).get();
  return *last_;
}

// --- segments --------------------------------------------------------------------------------------------------------

DiskResult<StoreContents::SegmentFolder> StoreContents::read_segments() {
  const auto names = disk_.list(segment_folder());
  if (!names) return tl::unexpected(names.error());
  SegmentFolder folder;
  std::map<std::uint64_t, SegmentContents> found;
  std::set<std::uint64_t> replaced;
  for (const std::string& name : *names) {
    if (name.ends_with(".tmp")) folder.temporary.push_back(segment_folder() + "/" + name);
    const std::uint64_t sequence = segment_sequence(name);
    if (sequence == 0) continue;
    auto segment = Segment::open(disk_, segment_folder(), sequence);
    if (!segment) return tl::unexpected(segment.error());
    next_segment_ = std::max(next_segment_, sequence + 1);
    SegmentContents contents = (*segment)->take_contents();
    if (contents.header.transient) {
      folder.transient.push_back({sequence, (*segment)->path()});
      continue;
    }
    replaced.insert(contents.header.replaces.begin(), contents.header.replaces.end());
    segments_[sequence].file = std::move(*segment);
    found.emplace(sequence, std::move(contents));
  }
  for (std::uint64_t sequence : replaced) {
    next_segment_ = std::max(next_segment_, sequence + 1);
    auto segment = segments_.find(sequence);
    if (segment == segments_.end()) continue;
    folder.replaced.push_back({sequence, segment->second.file->path()});
    segments_.erase(segment);
    found.erase(sequence);
  }
  for (auto& [sequence, contents] : found) {
    KeptSegment& segment = segments_[sequence];
    segment.damaged = !contents.damage.empty();
    folder.damage.insert(folder.damage.end(), contents.damage.begin(), contents.damage.end());
    segment_bytes_ += segment.file->size_bytes();
    take_pages(segment, contents.pages);
  }
  return folder;
}

void StoreContents::take_pages(KeptSegment& segment, const std::vector<PageInfo>& pages) {
  segment.pages.reserve(pages.size());
  for (std::uint32_t index = 0; index < pages.size(); ++index) {
    const PageInfo& info = pages[index];
    KeptPage page;
    page.chunk = info.chunk;
    page.written = page.live = info.written;
    page.segment = &segment;
    page.offset = info.offset;
    page.length = info.length;
    page.index = index;
    page.expiring = info.expiring;
    page.body_bytes = info.body_bytes;
    KeptQueue& kept = find_or_make(info.queue);
    // Twice on the disk only where the header that says which one replaces which was damaged: the newer one counts.
    kept.each_page(page.chunk, [&](KeptPage& older) {
      const ChunkBits twice = older.live & page.written;
      older.segment->live -= twice.count();
      older.live = older.live - twice;
    });
    kept.highest = std::max(kept.highest, page.chunk * chunk_positions + page.written.last());
    kept.insert(page);
    segment.messages += page.written.count();
    segment.pages.emplace_back(info.queue, info.chunk);
  }
  segment.live = segment.messages;
}

DiskResult<ChunkBits> StoreContents::read_page(QueueId queue, const KeptQueue& kept, const KeptPage& page,
                                               const std::function<void(SegmentEntry&&)>& each,
                                               const std::function<void(const SegmentDamage&)>& damaged) {
  ChunkBits seen;
  auto read = page.segment->file->read_page(
      page.offset, page.length, read_buffer_,
      [&](std::string_view raw) {
        const EntryPlace place = entry_place(raw);
        const auto index = static_cast<unsigned>(place.at % chunk_positions);
        if (place.queue != queue || place.at / chunk_positions != page.chunk || !page.live.test(index)) return;
        // Where a disk has put it twice.
        if (seen.test(index)) return;
        SegmentEntry entry = decode_segment_entry(raw);
        if (!entry.message) return;
        if (auto newer = kept.attempts.find(entry.at); newer != kept.attempts.end()) {
          entry.delivery_count = newer->second;
        }
        seen.set(index);
        each(std::move(entry));
      },
      damaged);
  if (!read) return tl::unexpected(read.error());
  return seen;
}

// --- the log ---------------------------------------------------------------------------------------------------------

void StoreContents::replay_publish(const LogRecord& record) {
  const auto publish = decode_publish(record.payload);
  if (!publish) {
    unknown_record_ = true;
    return;
  }
  if (publish->released && publish->places > 0) {
    replay_released(record.lsn, publish->place(0).queue, *publish->released);
  }
  MessageRef message;
  for (std::size_t n = 0; n < publish->places; ++n) {
    const Place place = publish->place(n);
    KeptQueue& kept = find_or_make(place.queue);
    kept.highest = std::max(kept.highest, place.at);
    // Moved before the file could retire.
    if (kept.ever_in_page(place.at)) continue;
    if (!kept.unretired.empty() && kept.unretired.back().at >= place.at) continue;
    if (!message) message = decode_message(publish->image);
    if (!message) {
      unknown_record_ = true;
      return;
    }
    kept.unretired.push({place.at, message, record.lsn, 0});
    memory_bytes_.fetch_add(message->footprint(), std::memory_order_relaxed);
  }
}

bool StoreContents::replay_delays(const LogRecord& record) {
  switch (static_cast<RecordType>(record.type)) {
    case RecordType::scheduled:
      return decode_scheduled(record.payload).has_value();
    case RecordType::fired:
      return decode_fired(record.payload).has_value();
    case RecordType::withdrawn:
      return decode_withdrawn(record.payload).has_value();
    default:
      return decode_dropped(record.payload).has_value();
  }
}

void StoreContents::replay(const LogRecord& record) {
  switch (static_cast<RecordType>(record.type)) {
    case RecordType::publish:
      return replay_publish(record);
    case RecordType::settle: {
      const auto settled = decode_settle(record.payload);
      if (!settled) break;
      KeptQueue* kept = find(settled->queue);
      if (kept == nullptr || settled->first >= settled->end) return;
      kept->unretired.each_in(settled->first, settled->end, [&](UnretiredMessage& message) { release(message); });
      kept->unretired.drop_settled_front();
      return settle_in_pages(settled->queue, *kept, settled->first, settled->end, record.lsn);
    }
    case RecordType::attempts: {
      const auto attempts = decode_attempts(record.payload);
      if (!attempts) break;
      KeptQueue* kept = find(attempts->queue);
      if (kept == nullptr) return;
      if (UnretiredMessage* message = kept->unretired.find(attempts->at)) {
        message->delivery_count = attempts->delivery_count;
      } else if (kept->live_page(attempts->at) != nullptr) {
        kept->attempts[attempts->at] = attempts->delivery_count;
      } else {
        return;
      }
      logged_attempts_.push_back({record.lsn, attempts->queue, attempts->at});
      return;
    }
    case RecordType::page_state: {
      const auto state = decode_page_state(record.payload);
      if (!state) break;
      // Also where that segment is gone: its number must not come back to another while the log speaks of it.
      next_segment_ = std::max(next_segment_, state->segment + 1);
      KeptQueue* kept = find(state->queue);
      if (kept == nullptr) return;
      kept->each_page(state->chunk, [&](KeptPage& page) {
        if (page.segment->file->sequence() != state->segment || page.index != state->page) return;
        settle_in_page(state->queue, *kept, page, page.live - state->live, record.lsn);
      });
      return;
    }
    case RecordType::note: {
      const auto note = decode_note(record.payload);
      if (!note) break;
      logged_notes_[note->queue].push_back({record.lsn, std::string(note->text)});
      return;
    }
    case RecordType::scheduled:
    case RecordType::fired:
    case RecordType::exchange_dropped:
    case RecordType::withdrawn:
      if (!replay_delays(record)) break;
      return;
  }
  // Its checksum is right, and this program does not know it.
  unknown_record_ = true;
}

void StoreContents::release(UnretiredMessage& message) {
  memory_bytes_.fetch_sub(message.message->footprint(), std::memory_order_relaxed);
  message.message.reset();
}

void StoreContents::settle_in_pages(QueueId queue, KeptQueue& kept, Position first, Position end, Lsn lsn) {
  const std::uint64_t last_chunk = (end - 1) / chunk_positions;
  for (auto page = kept.first_page(first / chunk_positions); page != kept.pages.end() && page->chunk <= last_chunk;
       ++page) {
    const Position begin = page->chunk * chunk_positions;
    const auto from = static_cast<unsigned>(first > begin ? first - begin : 0);
    const auto to = static_cast<unsigned>(std::min<Position>(end - begin, chunk_positions));
    settle_in_page(queue, kept, *page, ChunkBits::range(from, to), lsn);
  }
}

void StoreContents::settle_in_page(QueueId queue, KeptQueue& kept, KeptPage& page, ChunkBits which, Lsn lsn) {
  which = which & page.live;
  if (!which.any()) return;
  page.live = page.live - which;
  page.segment->live -= which.count();
  dead_segments_ = dead_segments_ || page.segment->live == 0;
  if (!kept.attempts.empty()) {
    which.each([&](unsigned index) { kept.attempts.erase(page.chunk * chunk_positions + index); });
  }
  if (!page.logged && !page.segment->transient) remember_logged(queue, page, lsn);
}

void StoreContents::remember_logged(QueueId queue, KeptPage& page, Lsn lsn) {
  page.logged = true;
  logged_pages_.push_back({lsn, queue, page.chunk, page.segment->file->sequence(), page.index});
}

}  // namespace wherry::broker

// What queues ask of the store.
#include "broker/store/disk_store.h"

#include <random>
#include <utility>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/log.h"
#include "broker/store/message_image.h"

namespace wherry::broker {

DiskStore::DiskStore(Vfs& disk, Options options, Owner owner)
    : StoreContents(disk, options.folder), options_(std::move(options)), owner_(std::move(owner)) {
  background_ = std::make_unique<Background>(options_.threads, owner_.post);
  delay_background_ = std::make_unique<Background>(options_.threads, owner_.post);
}

DiskStore::~DiskStore() {
  if (writer_) commit();
  // Before what their events touch.
  alive_.reset();
  background_.reset();
  delay_background_.reset();
  delay_jobs_.clear();
  schedule_.reset();
  writer_.reset();
}

std::uint64_t DiskStore::random() {
  if (options_.random) return options_.random();
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

// --- messages in -----------------------------------------------------------------------------------------------------

Lsn DiskStore::append(QueueId queue, Position at, const MessageRef& message, Durability durability) {
  if (open_message_ != message) {
    close_publish();
    open_message_ = message;
  }
  // Nothing else is written while a publish is open, so this is what it will have.
  const Lsn lsn = writer_->next_lsn();
  open_places_.push_back({queue, at});
  open_sync_ = open_sync_ || durability == Durability::sync;
  KeptQueue& kept = find_or_make(queue);
  WHERRY_ASSERT(kept.unretired.empty() || kept.unretired.back().at < at);
  kept.unretired.push({at, message, lsn, 0});
  memory_bytes_.fetch_add(message->footprint(), std::memory_order_relaxed);
  return durability == Durability::none ? 0 : lsn;
}

Lsn DiskStore::append_released(QueueId queue, Position at, const MessageRef& message, Durability durability,
                               const ScheduleKey& from) {
  // A record of its own: it says one key.
  close_publish();
  const Lsn lsn = append(queue, at, message, durability);
  open_released_ = from;
  close_publish();
  return lsn;
}

void DiskStore::close_publish() {
  if (!open_message_) return;
  payload_.clear();
  encode_publish(payload_, open_places_, open_released_);
  const MessageHead head = encode_message_head(*open_message_);
  writer_->append(static_cast<std::uint8_t>(RecordType::publish),
                  {payload_, {head.data(), head.size()}, open_message_->text_bytes()},
                  open_sync_ ? LogWriter::Sync::wanted : LogWriter::Sync::not_wanted);
  open_message_.reset();
  open_places_.clear();
  open_released_.reset();
  open_sync_ = false;
}

// --- messages out ----------------------------------------------------------------------------------------------------

void DiskStore::write_settled(QueueId queue, KeptQueue& kept) {
  if (kept.settled_end == no_position) return;
  // A settle never comes before the record of its message.
  close_publish();
  payload_.clear();
  encode_settle(payload_, {queue, kept.settled_first, kept.settled_end});
  kept.settled_first = kept.settled_end = no_position;
  writer_->append(static_cast<std::uint8_t>(RecordType::settle), {payload_}, LogWriter::Sync::not_wanted);
}

void DiskStore::note_settled(QueueId queue, KeptQueue& kept, Position first, Position end) {
  if (kept.settled_end != no_position && kept.settled_end != first) write_settled(queue, kept);
  if (kept.settled_end == no_position) {
    kept.settled_first = first;
    settled_queues_.push_back(queue);
  }
  kept.settled_end = end;
}

void DiskStore::settle(QueueId queue, Position at) {
  KeptQueue* kept = find(queue);
  if (kept == nullptr) return;
  UnretiredMessage* message = kept->unretired.find(at);
  KeptPage* page = message == nullptr ? kept->live_page(at) : nullptr;
  // What does not come back anyway needs no record.
  if (page == nullptr || !page->segment->transient) note_settled(queue, *kept, at, at + 1);
  if (message != nullptr) {
    release(*message);
    kept->unretired.drop_settled_front();
  } else if (page != nullptr) {
    settle_in_page(queue, *kept, *page, ChunkBits::of(static_cast<unsigned>(at % chunk_positions)),
                   writer_->next_lsn());
  }
}

void DiskStore::settle_range(QueueId queue, Position first, Position end) {
  KeptQueue* kept = find(queue);
  if (kept == nullptr || first >= end) return;
  note_settled(queue, *kept, first, end);
  kept->unretired.each_in(first, end, [&](UnretiredMessage& message) { release(message); });
  kept->unretired.drop_settled_front();
  settle_in_pages(queue, *kept, first, end, writer_->next_lsn());
}

void DiskStore::attempted(QueueId queue, Position at, std::uint32_t delivery_count) {
  KeptQueue* kept = find(queue);
  if (kept == nullptr) return;
  if (const KeptPage* page = kept->live_page(at); page != nullptr && page->segment->transient) {
    kept->attempts[at] = delivery_count;
    return;
  }
  close_publish();
  payload_.clear();
  encode_attempts(payload_, {queue, at, delivery_count});
  const Lsn lsn =
      writer_->append(static_cast<std::uint8_t>(RecordType::attempts), {payload_}, LogWriter::Sync::not_wanted);
  if (UnretiredMessage* message = kept->unretired.find(at)) {
    message->delivery_count = delivery_count;
  } else if (kept->live_page(at) != nullptr) {
    kept->attempts[at] = delivery_count;
  }
  // A move that is under way may have written the old count: the record is carried on until that is known.
  logged_attempts_.push_back({lsn, queue, at});
}

Lsn DiskStore::note(QueueId queue, std::string_view text, Durability durability) {
  close_publish();
  payload_.clear();
  encode_note(payload_, {queue, text});
  const Lsn lsn =
      writer_->append(static_cast<std::uint8_t>(RecordType::note), {payload_},
                      durability == Durability::sync ? LogWriter::Sync::wanted : LogWriter::Sync::not_wanted);
  noted_.try_emplace(queue, lsn);
  return lsn;
}

void DiskStore::drop(QueueId queue) {
  noted_.erase(queue);
  auto found = queues_.find(queue);
  if (found == queues_.end()) return;
  close_publish();
  KeptQueue& kept = *found->second;
  kept.unretired.each([&](const UnretiredMessage& message) {
    memory_bytes_.fetch_sub(message.message->footprint(), std::memory_order_relaxed);
  });
  for (KeptPage& page : kept.pages) {
    page.segment->live -= page.live.count();
    dead_segments_ = dead_segments_ || page.segment->live == 0;
  }
  queues_.erase(found);
  last_ = nullptr;
  drop_dead_segments();
}

// --- what was paged out ----------------------------------------------------------------------------------------------

void DiskStore::load(QueueId queue, Position at, const std::function<void(const Loaded&)>& each) {
  KeptQueue* kept = find(queue);
  if (kept == nullptr) return;
  if (const UnretiredMessage* message = kept->unretired.find(at)) {
    each({at, message->message, message->delivery_count});
    return;
  }
  KeptPage* page = kept->live_page(at);
  if (page == nullptr || failed_) return;
  bool damaged = false;
  auto read = read_page(
      queue, *kept, *page,
      [&](SegmentEntry&& entry) {
        each({entry.at, std::move(entry.message), entry.delivery_count});
      },
      [&](const SegmentDamage& damage) {
        damaged = true;
        report(damage.file, damage.begin, damage.end, fmt::format("messages of queue {}", queue));
      });
  if (!read) {
    failed_ = true;
    owner_.failed(read.error());
    return;
  }
  // Lost for good; the file stays as it is, so that somebody may look.
  if (damaged) page->segment->damaged = true;
  if (const ChunkBits lost = page->live - *read; lost.any())
    settle_in_page(queue, *kept, *page, lost, writer_->next_lsn());
  auto next = std::upper_bound(kept->pages.begin(), kept->pages.end(), *page);
  if (next != kept->pages.end()) next->segment->file->will_need(next->offset, next->length);
}

void DiskStore::spill(QueueId queue, std::vector<Loaded> messages) {
  find_or_make(queue);
  for (Loaded& each : messages) spilling_.push_back({queue, each.at, std::move(each.message), each.delivery_count});
  maintain();
}

ChunkBits DiskStore::kept_in(QueueId queue, std::uint64_t chunk) {
  ChunkBits bits;
  KeptQueue* kept = find(queue);
  if (kept == nullptr) return bits;
  kept->each_page(chunk, [&](const KeptPage& page) { bits = bits | page.live; });
  const Position first = chunk * chunk_positions;
  kept->unretired.each_in(first, first + chunk_positions, [&](const UnretiredMessage& message) {
    bits.set(static_cast<unsigned>(message.at % chunk_positions));
  });
  return bits;
}

// --- the turn --------------------------------------------------------------------------------------------------------

void DiskStore::commit() {
  close_publish();
  for (QueueId queue : settled_queues_) {
    if (KeptQueue* kept = find(queue)) write_settled(queue, *kept);
  }
  settled_queues_.clear();
  writer_->commit();
  if (dead_segments_) drop_dead_segments();
  if (log_full_) make_free_room();
}

std::size_t DiskStore::waiting_bytes() const {
  const std::uint64_t held = memory_bytes_.load(std::memory_order_relaxed);
  const std::uint64_t over = held > options_.memory_budget_bytes ? held - options_.memory_budget_bytes : 0;
  return writer_->waiting_bytes() + 2 * over;
}

DiskStore::Stats DiskStore::stats() const {
  Stats stats;
  stats.log_bytes = progress_.log_bytes;
  stats.segments = segments_.size();
  stats.segment_bytes = segment_bytes_;
  for (const auto& [sequence, segment] : segments_) stats.messages_in_segments += segment.live;
  stats.memory_bytes = memory_bytes_.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace wherry::broker

// StoreContents: what a shard's folder on the disk holds, as a restart sees it: the segments' pages, and the log's
// records replayed upon them. DiskStore begins with it and keeps it current; a tool reads it and changes nothing.
//
//   StoreContents contents(disk, "shard-0");
//   auto segments = contents.read_segments();
//   auto log = read_log(disk, contents.log_folder(), [&](const LogRecord& record) { contents.replay(record); });
//   for (auto& [id, queue] : contents.queues()) ...
//
// Nothing on the disk is changed here. Memory: the messages that are in the log only, and 80 bytes for each page.
// Threads: the owner's. Errors: DiskError; a record that this program does not know is unknown_record(). Damage is no
// error: it is in the results. Lifetime: the Vfs outlives it.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/store/kept_queue.h"
#include "broker/store/log_reader.h"
#include "broker/store/records.h"

namespace wherry::broker {

class StoreContents {
 public:
  StoreContents(Vfs& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}

  Vfs& disk() const { return disk_; }
  virtual ~StoreContents() = default;

  std::string log_folder() const { return folder_ + "/log"; }
  std::string segment_folder() const { return folder_ + "/segments"; }

  // What was found beside the segments that count.
  struct SegmentFolder {
    struct Needless {
      std::uint64_t sequence = 0;
      std::string path;
    };
    std::vector<Needless> replaced;      // By others that are whole.
    std::vector<Needless> transient;     // Of messages that a restart forgets.
    std::vector<std::string> temporary;  // Were being written; what they hold is elsewhere.
    std::vector<SegmentDamage> damage;   // Of headers, indexes and footers; entries are found damaged by read_page().
  };
  DiskResult<SegmentFolder> read_segments();
  // After read_segments(): the records that count, in order.
  void replay(const LogRecord& record);
  // A record's checksum was right, and it is none this program knows.
  bool unknown_record() const { return unknown_record_; }

  const std::unordered_map<QueueId, std::unique_ptr<KeptQueue>>& queues() const { return queues_; }
  const std::map<std::uint64_t, KeptSegment>& segments() const { return segments_; }
  // No segment has had this number or a greater one.
  std::uint64_t next_segment() const { return next_segment_; }
  // Gives the live messages of a page, with the delivery counts that the log has; the result says which were whole.
  DiskResult<ChunkBits> read_page(QueueId queue, const KeptQueue& kept, const KeptPage& page,
                                  const std::function<void(SegmentEntry&&)>& each,
                                  const std::function<void(const SegmentDamage&)>& damaged);

 protected:
  // A record of the schedule; false when it is none. Here it is looked at, and forgotten.
  virtual bool replay_delays(const LogRecord& record);
  // The message of that record, which is in the queue now, was held for it under that key.
  virtual void replay_released(Lsn /*lsn*/, QueueId /*queue*/, const ScheduleKey& /*key*/) {}
  KeptQueue* find(QueueId queue);
  KeptQueue& find_or_make(QueueId queue);
  void release(UnretiredMessage& message);
  void settle_in_pages(QueueId queue, KeptQueue& kept, Position first, Position end, Lsn lsn);
  void settle_in_page(QueueId queue, KeptQueue& kept, KeptPage& page, ChunkBits which, Lsn lsn);
  void remember_logged(QueueId queue, KeptPage& page, Lsn lsn);

  Vfs& disk_;
  const std::string folder_;
  std::unordered_map<QueueId, std::unique_ptr<KeptQueue>> queues_;
  QueueId last_id_ = 0;  // The queue asked for last, most often asked for next.
  KeptQueue* last_ = nullptr;
  std::map<std::uint64_t, KeptSegment> segments_;  // By sequence number; addresses stay.
  std::uint64_t next_segment_ = 1;
  std::uint64_t segment_bytes_ = 0;
  bool dead_segments_ = false;
  std::atomic<std::uint64_t> memory_bytes_ = 0;  // Of messages that are not in a segment.

  // What the log alone says of pages and attempts, in the order of the records that say it.
  struct LoggedPage {
    Lsn lsn = 0;
    QueueId queue = 0;
    std::uint64_t chunk = 0;
    std::uint64_t segment = 0;
    std::uint32_t index = 0;
  };
  std::deque<LoggedPage> logged_pages_;
  struct LoggedAttempts {
    Lsn lsn = 0;
    QueueId queue = 0;
    Position at = 0;
  };
  std::deque<LoggedAttempts> logged_attempts_;
  struct LoggedNote {
    Lsn lsn = 0;
    std::string text;
  };
  std::unordered_map<QueueId, std::vector<LoggedNote>> logged_notes_;  // Until their queues have been told.

 private:
  void take_pages(KeptSegment& segment, const std::vector<PageInfo>& pages);
  void replay_publish(const LogRecord& record);

  bool unknown_record_ = false;
  std::string read_buffer_;
};

}  // namespace wherry::broker

// Segment: a file of messages that outlived their log file, in pages. docs/store-format.md has format and rules.
//
//   auto written = write_segment(disk, folder, {.sequence = 3}, entries, random);   // sorted by queue and position
//   auto segment = Segment::open(disk, folder, 3);
//   segment->read_page(page, each_entry);
//
// write_segment() and open() block on the disk; write_segment() is durable when it returns. Threads: one at a time for
// an object; write_segment() any. Errors: DiskError of the disk; a file of a newer version is std::errc::not_supported.
// Damage is no error: it is in the result, or handed to `damaged`, and what is whole counts. Lifetime: the Vfs outlives
// the segment.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/store/segment_format.h"
#include "broker/store/vfs.h"

namespace wherry::broker {

struct SegmentDamage {
  std::string file;
  std::uint64_t begin = 0;  // Bytes [begin, end) of the file.
  std::uint64_t end = 0;
};

struct SegmentContents {
  SegmentHeader header;
  std::vector<PageInfo> pages;
  std::uint64_t size_bytes = 0;
  std::vector<SegmentDamage> damage;
};

// "0000000000000003.seg", and ".tmp" for one that is being written.
std::string segment_file_name(std::uint64_t sequence);
std::string segment_temporary_name(std::uint64_t sequence);
// The sequence number of a segment's file name; 0 for any other name.
std::uint64_t segment_sequence(std::string_view name);

// Takes the next entry of a sequence sorted by queue and position; false at its end.
using NextEntry = std::function<bool(SegmentEntry& into)>;
DiskResult<SegmentContents> write_segment(Vfs& disk, const std::string& folder, SegmentHeader header,
                                          const NextEntry& next);

class Segment {
 public:
  // What open() found is moved out of it by take_contents(): pages belong to their queues from then on.
  static DiskResult<std::unique_ptr<Segment>> open(Vfs& disk, const std::string& folder, std::uint64_t sequence);
  // Of a segment just written.
  static DiskResult<std::unique_ptr<Segment>> adopt(Vfs& disk, const std::string& folder, SegmentContents written);

  SegmentContents take_contents() { return std::move(contents_); }
  std::uint64_t sequence() const { return sequence_; }
  std::uint64_t file_id() const { return file_id_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  const std::string& path() const { return path_; }

  // Calls `each` for the whole entries of a page, and `damaged` for what is not. Views live in the buffer.
  DiskResult<void> read_page(std::uint64_t offset, std::uint32_t length, std::string& buffer,
                             const std::function<void(std::string_view entry)>& each,
                             const std::function<void(const SegmentDamage&)>& damaged);
  // Bytes that will be read soon.
  void will_need(std::uint64_t offset, std::uint64_t count) { file_->will_need(offset, count); }

 private:
  Segment() = default;
  DiskResult<void> read_contents();
  DiskResult<void> rebuild(std::string_view bytes, std::size_t begin);

  std::string path_;
  std::unique_ptr<File> file_;
  std::uint64_t sequence_ = 0;
  std::uint64_t file_id_ = 0;
  std::uint64_t size_bytes_ = 0;
  SegmentContents contents_;
};

}  // namespace wherry::broker

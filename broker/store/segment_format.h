// The bytes of a segment: header, entries in pages, index, footer. docs/store-format.md is the source.
//
// Pure: no file is touched here. Threads: any. Damage is no error here: readers say what is whole.
// Limits: a page is closed at kPageBytes or at the end of its chunk of positions; one message may be larger.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "broker/queueing/message_store.h"

namespace wherry::broker {

constexpr std::uint16_t kSegmentVersion = 1;
constexpr std::size_t kPageBytes = std::size_t{1} << 20;
constexpr std::size_t kSegmentFooterBytes = 48;
constexpr std::size_t kEntryHeaderBytes = 32;

struct SegmentHeader {
  std::uint64_t sequence = 0;
  std::uint64_t file_id = 0;
  bool transient = false;               // Holds what is not to come back after a restart.
  std::vector<std::uint64_t> replaces;  // Segments that are not needed any more once this one is whole.
};
std::string encode_segment_header(const SegmentHeader& header);
enum class SegmentFault { damaged, newer_version };
struct ReadSegmentHeader {
  SegmentHeader header;
  std::size_t bytes = 0;  // Where the first page begins.
};
Result<ReadSegmentHeader, SegmentFault> decode_segment_header(std::string_view bytes);

// A page as the index has it.
struct PageInfo {
  QueueId queue = 0;
  std::uint64_t chunk = 0;
  ChunkBits written;  // The positions it holds.
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t expiring = 0;
  std::uint64_t body_bytes = 0;
};
std::string encode_segment_index(const std::vector<PageInfo>& pages);
std::vector<PageInfo> decode_segment_index(std::string_view bytes);

struct SegmentFooter {
  std::uint64_t index_offset = 0;
  std::uint32_t pages = 0;
  std::uint32_t index_crc = 0;
  std::uint64_t sequence = 0;
  std::uint64_t file_id = 0;
  bool transient = false;
};
std::string encode_segment_footer(const SegmentFooter& footer);
// Nothing when it is not whole.
std::optional<SegmentFooter> decode_segment_footer(std::string_view bytes);
// The size of the index of so many pages.
std::size_t segment_index_bytes(std::uint32_t pages);

struct SegmentEntry {
  QueueId queue = 0;
  Position at = 0;
  MessageRef message;
  std::uint32_t delivery_count = 0;
};
void append_segment_entry(std::string& to, const SegmentEntry& entry, std::uint64_t file_id);

// A damaged range of a page.
struct DamagedRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};
// Calls `each` with the offset and the bytes of each whole entry, and `damaged` for what lies between.
void read_segment_entries(std::string_view bytes, std::uint64_t file_id,
                          const std::function<void(std::size_t offset, std::string_view entry)>& each,
                          const std::function<void(DamagedRange)>& damaged);
// Of a whole entry: where it belongs, without building the message.
struct EntryPlace {
  QueueId queue = 0;
  Position at = 0;
};
EntryPlace entry_place(std::string_view entry);
// Of a whole entry; a null message when it does not decode.
SegmentEntry decode_segment_entry(std::string_view entry);

}  // namespace wherry::broker

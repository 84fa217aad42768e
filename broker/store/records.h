// The payloads of the store's log records, by type. docs/store-format.md has the layouts.
//
//   encode_settle(payload, {.queue = 42, .first = 7, .end = 9});
//   auto settle = decode_settle(record.payload);
//
// Pure. Threads: any. Errors: nothing where a payload is not what its type says; its checksum was right, so the record
// is of a version this program does not know, or a bug.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broker/queueing/delay_store.h"

namespace wherry::broker {

enum class RecordType : std::uint8_t {
  publish = 1,
  settle = 2,
  attempts = 3,
  page_state = 4,
  scheduled = 5,
  fired = 6,
  exchange_dropped = 7,
  withdrawn = 8,
  note = 9
};

// Where a message lies in a queue.
struct Place {
  QueueId queue = 0;
  Position at = 0;
};

// The head of a publish record; the image of the message follows. released: the key under which the message was held
// for its queue until now.
void encode_publish(std::string& to, std::span<const Place> places, const std::optional<ScheduleKey>& released = {});
struct PublishRecord {
  std::uint16_t places = 0;
  std::optional<ScheduleKey> released;
  std::string_view place_bytes;
  std::string_view image;

  Place place(std::size_t index) const;
};
std::optional<PublishRecord> decode_publish(std::string_view payload);

struct SettleRecord {
  QueueId queue = 0;
  Position first = 0;
  Position end = 0;
};
void encode_settle(std::string& to, const SettleRecord& record);
std::optional<SettleRecord> decode_settle(std::string_view payload);

struct AttemptsRecord {
  QueueId queue = 0;
  Position at = 0;
  std::uint32_t delivery_count = 0;
};
void encode_attempts(std::string& to, const AttemptsRecord& record);
std::optional<AttemptsRecord> decode_attempts(std::string_view payload);

// What the queue wants to be told after a restart.
struct NoteRecord {
  QueueId queue = 0;
  std::string_view text;
};
void encode_note(std::string& to, const NoteRecord& record);
std::optional<NoteRecord> decode_note(std::string_view payload);

struct PageStateRecord {
  QueueId queue = 0;
  std::uint64_t chunk = 0;
  std::uint64_t segment = 0;
  std::uint32_t page = 0;  // Its index in the segment.
  ChunkBits live;
};
void encode_page_state(std::string& to, const PageStateRecord& record);
std::optional<PageStateRecord> decode_page_state(std::string_view payload);

}  // namespace wherry::broker

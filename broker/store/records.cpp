#include "broker/store/records.h"

#include "base/bytes.h"

namespace wherry::broker {
namespace {

constexpr std::size_t kPlaceBytes = 16;
constexpr std::uint16_t kReleased = 1;

// What every decoder ends with: all of it was there, and nothing is left.
template <class Record>
std::optional<Record> complete(const ByteReader& in, Record record) {
  return in.ok() && in.at_end() ? std::optional<Record>(record) : std::nullopt;
}

}  // namespace

void encode_publish(std::string& to, std::span<const Place> places, const std::optional<ScheduleKey>& released) {
  ByteWriter out(to);
  out.u16(static_cast<std::uint16_t>(places.size()));
  out.u16(released ? kReleased : 0);
  out.u32(0);
  if (released) {
    out.u64(released->due_ms);
    out.u64(released->sequence);
  }
  for (const Place& place : places) {
    out.u64(place.queue);
    out.u64(place.at);
  }
}

Place PublishRecord::place(std::size_t index) const {
  const char* at = place_bytes.data() + index * kPlaceBytes;
  return {load_big<std::uint64_t>(at), load_big<std::uint64_t>(at + 8)};
}

std::optional<PublishRecord> decode_publish(std::string_view payload) {
  ByteReader in(payload);
  PublishRecord record;
  record.places = in.u16();
  const std::uint16_t flags = in.u16();
  in.u32();
  if ((flags & kReleased) != 0) {
    const std::uint64_t due_ms = in.u64();
    record.released = ScheduleKey{due_ms, in.u64()};
  }
  record.place_bytes = in.bytes(record.places * kPlaceBytes);
  record.image = in.bytes(in.remaining());
  return in.ok() ? std::optional<PublishRecord>(record) : std::nullopt;
}

void encode_settle(std::string& to, const SettleRecord& record) {
  ByteWriter out(to);
  out.u64(record.queue);
  out.u64(record.first);
  out.u64(record.end);
}

std::optional<SettleRecord> decode_settle(std::string_view payload) {
  ByteReader in(payload);
  SettleRecord record;
  record.queue = in.u64();
  record.first = in.u64();
  record.end = in.u64();
  return complete(in, record);
}

void encode_note(std::string& to, const NoteRecord& record) {
  ByteWriter out(to);
  out.u64(record.queue);
  out.bytes(record.text);
}

std::optional<NoteRecord> decode_note(std::string_view payload) {
  ByteReader in(payload);
  NoteRecord record;
  record.queue = in.u64();
  record.text = in.bytes(in.remaining());
  return complete(in, record);
}

void encode_attempts(std::string& to, const AttemptsRecord& record) {
  ByteWriter out(to);
  out.u64(record.queue);
  out.u64(record.at);
  out.u32(record.delivery_count);
}

std::optional<AttemptsRecord> decode_attempts(std::string_view payload) {
  ByteReader in(payload);
  AttemptsRecord record;
  record.queue = in.u64();
  record.at = in.u64();
  record.delivery_count = in.u32();
  return complete(in, record);
}

void encode_page_state(std::string& to, const PageStateRecord& record) {
  ByteWriter out(to);
  out.u64(record.queue);
  out.u64(record.chunk);
  out.u64(record.segment);
  out.u32(record.page);
  out.u32(0);
  out.u64(record.live.low);
  out.u64(record.live.high);
}

std::optional<PageStateRecord> decode_page_state(std::string_view payload) {
  ByteReader in(payload);
  PageStateRecord record;
  record.queue = in.u64();
  record.chunk = in.u64();
  record.segment = in.u64();
  record.page = in.u32();
  in.u32();
  record.live.low = in.u64();
  record.live.high = in.u64();
  return complete(in, record);
}

}  // namespace wherry::broker

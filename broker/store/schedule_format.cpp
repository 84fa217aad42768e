#include "broker/store/schedule_format.h"

#include <charconv>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"

namespace wherry::broker {
namespace {

constexpr std::string_view kRunHeaderMagic = "WHERRYSR";
constexpr std::string_view kRunFooterMagic = "WHERRYSE";
constexpr std::uint8_t kPersistent = 1;
constexpr std::uint8_t kForQueue = 2;
constexpr std::uint16_t kRunHolds = 1;

std::uint32_t seed_of_run(std::uint64_t run_id) {
  char raw[8];
  store_big(raw, run_id);
  return crc32c({raw, sizeof raw});
}

std::uint64_t padded(std::uint64_t bytes) {
  return (bytes + kRunStep - 1) / kRunStep * kRunStep;
}

// Header and footer end with a checksum of what is before it, and four zeros.
std::string sealed(std::string bytes) {
  const std::uint32_t crc = crc32c(bytes);
  ByteWriter writer(bytes);
  writer.u32(crc);
  writer.u32(0);
  return bytes;
}

bool seal_is_good(std::string_view bytes) {
  const std::size_t covered = bytes.size() - 8;
  return crc32c(bytes.substr(0, covered)) == load_big<std::uint32_t>(bytes.data() + covered);
}

ScheduleKey read_key(ByteReader& reader) {
  ScheduleKey key;
  key.due_ms = reader.u64();
  key.sequence = reader.u64();
  return key;
}

template <class Sink>
void write_key(ByteWriter<Sink>& writer, ScheduleKey key) {
  writer.u64(key.due_ms);
  writer.u64(key.sequence);
}

}  // namespace

// --- records in the log ----------------------------------------------------------------------------------------------

void encode_scheduled(std::string& into, ScheduleKey key, std::string_view vhost, const Message& message,
                      QueueId queue) {
  WHERRY_ASSERT(vhost.size() <= UINT16_MAX && message.body().size() <= UINT32_MAX);
  ByteWriter writer(into);
  write_key(writer, key);
  writer.u8(static_cast<std::uint8_t>((message.persistent() ? kPersistent : 0) | (queue != 0 ? kForQueue : 0)));
  writer.u8(message.priority());
  if (queue != 0) writer.u64(queue);
  writer.u16(static_cast<std::uint16_t>(vhost.size()));
  writer.bytes(vhost);
  writer.u8(static_cast<std::uint8_t>(message.exchange().size()));
  writer.bytes(message.exchange());
  writer.u8(static_cast<std::uint8_t>(message.routing_key().size()));
  writer.bytes(message.routing_key());
  writer.u32(static_cast<std::uint32_t>(message.properties().size()));
  writer.bytes(message.properties());
  writer.u32(static_cast<std::uint32_t>(message.body().size()));
  writer.bytes(message.body());
}

std::optional<ScheduledView> decode_scheduled(std::string_view payload) {
  ByteReader reader(payload);
  ScheduledView view;
  view.key = read_key(reader);
  const std::uint8_t flags = reader.u8();
  view.persistent = (flags & kPersistent) != 0;
  view.priority = reader.u8();
  if ((flags & kForQueue) != 0) view.queue = reader.u64();
  view.vhost = reader.bytes(reader.u16());
  view.exchange = reader.bytes(reader.u8());
  view.routing_key = reader.bytes(reader.u8());
  view.properties = reader.bytes(reader.u32());
  view.body = reader.bytes(reader.u32());
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return view;
}

MessageRef message_of(const ScheduledView& scheduled) {
  auto message = Message::create({.exchange = scheduled.exchange,
                                  .routing_key = scheduled.routing_key,
                                  .properties = scheduled.properties,
                                  .delivery_mode = scheduled.persistent ? std::uint8_t{2} : std::uint8_t{1},
                                  .priority = scheduled.priority,
                                  .body_size = scheduled.body.size(),
                                  .published_ms = scheduled.key.due_ms});
  message->append_body(scheduled.body);
  return message;
}

std::string encode_fired(const ScheduleWatermark& watermark) {
  std::string payload;
  ByteWriter writer(payload);
  write_key(writer, watermark.fired);
  writer.u64(watermark.next_sequence);
  return payload;
}

std::optional<ScheduleWatermark> decode_fired(std::string_view payload) {
  ByteReader reader(payload);
  ScheduleWatermark watermark;
  watermark.fired = read_key(reader);
  watermark.next_sequence = reader.u64();
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return watermark;
}

std::string encode_dropped(const ScheduleDrop& drop) {
  WHERRY_ASSERT(drop.vhost.size() <= UINT16_MAX && drop.exchange.size() <= UINT8_MAX);
  std::string payload;
  ByteWriter writer(payload);
  writer.u64(drop.sequence);
  writer.u16(static_cast<std::uint16_t>(drop.vhost.size()));
  writer.bytes(drop.vhost);
  writer.u8(static_cast<std::uint8_t>(drop.exchange.size()));
  writer.bytes(drop.exchange);
  return payload;
}

std::optional<ScheduleDrop> decode_dropped(std::string_view payload) {
  ByteReader reader(payload);
  ScheduleDrop drop;
  drop.sequence = reader.u64();
  drop.vhost = reader.bytes(reader.u16());
  drop.exchange = reader.bytes(reader.u8());
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return drop;
}

std::string encode_withdrawn(const ScheduleWithdrawal& withdrawal) {
  std::string payload;
  ByteWriter writer(payload);
  writer.u64(withdrawal.queue);
  write_key(writer, withdrawal.key);
  return payload;
}

std::optional<ScheduleWithdrawal> decode_withdrawn(std::string_view payload) {
  ByteReader reader(payload);
  ScheduleWithdrawal withdrawal;
  withdrawal.queue = reader.u64();
  withdrawal.key = read_key(reader);
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return withdrawal;
}

// --- run files -------------------------------------------------------------------------------------------------------

std::string encode_run_header(const RunHeader& header) {
  WHERRY_ASSERT(header.replaces.size() <= kMaxReplacedRuns);
  std::string bytes(kRunHeaderMagic);
  ByteWriter writer(bytes);
  writer.u16(kRunVersion);
  writer.u16(header.holds ? kRunHolds : 0);
  writer.u32(static_cast<std::uint32_t>(header.replaces.size()));
  writer.u64(header.number);
  writer.u64(header.id);
  writer.u64(header.first_sequence);
  writer.u64(header.last_sequence);
  for (const std::uint64_t number : header.replaces) writer.u64(number);
  return sealed(std::move(bytes));
}

Result<RunHeader, RunHeaderFault> decode_run_header(std::string_view bytes) {
  const auto damaged = tl::unexpected(RunHeaderFault::damaged);
  if (!bytes.starts_with(kRunHeaderMagic)) return damaged;
  ByteReader reader(bytes.substr(kRunHeaderMagic.size()));
  RunHeader header;
  const std::uint16_t version = reader.u16();
  header.holds = (reader.u16() & kRunHolds) != 0;
  const std::uint32_t replaces = reader.u32();
  header.number = reader.u64();
  header.id = reader.u64();
  header.first_sequence = reader.u64();
  header.last_sequence = reader.u64();
  if (!reader.ok() || replaces > kMaxReplacedRuns) return damaged;
  for (std::uint32_t at = 0; at < replaces; ++at) header.replaces.push_back(reader.u64());
  if (bytes.size() < header.size_bytes() || !seal_is_good(bytes.substr(0, header.size_bytes()))) return damaged;
  if (version != kRunVersion) return tl::unexpected(RunHeaderFault::newer_version);
  return header;
}

std::string encode_run_footer(const RunFooter& footer) {
  std::string bytes(kRunFooterMagic);
  ByteWriter writer(bytes);
  writer.u64(footer.id);
  writer.u64(footer.index_offset);
  writer.u32(footer.index_entries);
  writer.u32(footer.header_bytes);
  writer.u64(footer.entries);
  writer.u64(footer.payload_bytes);
  write_key(writer, footer.first);
  write_key(writer, footer.last);
  return sealed(std::move(bytes));
}

std::optional<RunFooter> decode_run_footer(std::string_view bytes) {
  if (bytes.size() != kRunFooterBytes || !bytes.starts_with(kRunFooterMagic) || !seal_is_good(bytes))
    return std::nullopt;
  ByteReader reader(bytes.substr(kRunFooterMagic.size()));
  RunFooter footer;
  footer.id = reader.u64();
  footer.index_offset = reader.u64();
  footer.index_entries = reader.u32();
  footer.header_bytes = reader.u32();
  footer.entries = reader.u64();
  footer.payload_bytes = reader.u64();
  footer.first = read_key(reader);
  footer.last = read_key(reader);
  return footer;
}

RunSeal::RunSeal(std::uint64_t run_id) : mark_(static_cast<std::uint32_t>(run_id)), seed_(seed_of_run(run_id)) {}

void RunSeal::append_index(std::string& into, const RunIndexEntry& entry) const {
  const std::size_t begin = into.size();
  ByteWriter writer(into);
  writer.u64(entry.offset);
  write_key(writer, entry.key);
  writer.u64(entry.ordinal);
  writer.u32(crc32c_extend(seed_, std::string_view(into).substr(begin)));
  writer.u32(0);
}

std::optional<RunIndexEntry> RunSeal::index(std::string_view bytes) const {
  if (bytes.size() < kRunIndexBytes) return std::nullopt;
  if (crc32c_extend(seed_, bytes.substr(0, 32)) != load_big<std::uint32_t>(bytes.data() + 32)) return std::nullopt;
  ByteReader reader(bytes);
  RunIndexEntry entry;
  entry.offset = reader.u64();
  entry.key = read_key(reader);
  entry.ordinal = reader.u64();
  return entry;
}

void RunSeal::append_entry(std::string& into, std::string_view payload) const {
  WHERRY_ASSERT(payload.size() >= 16 && payload.size() <= UINT32_MAX);
  const std::size_t begin = into.size();
  ByteWriter writer(into);
  writer.u32(mark_);
  writer.u32(static_cast<std::uint32_t>(payload.size()));
  const std::uint32_t head = crc32c_extend(seed_, std::string_view(into).substr(begin));
  writer.u32(crc32c_extend(head, payload.substr(0, 16)));
  writer.u32(crc32c_extend(seed_, payload));
  writer.bytes(payload);
  into.resize(begin + kRunEntryHeaderBytes + padded(payload.size()));
}

std::optional<RunSeal::Peeked> RunSeal::peek(std::string_view bytes) const {
  if (bytes.size() < kRunEntryPeekBytes || load_big<std::uint32_t>(bytes.data()) != mark_) return std::nullopt;
  const std::uint32_t crc = crc32c_extend(crc32c_extend(seed_, bytes.substr(0, 8)), bytes.substr(16, 16));
  ByteReader reader(bytes.substr(4));
  Peeked entry;
  entry.length = reader.u32();
  if (reader.u32() != crc || entry.length < 16) return std::nullopt;
  entry.payload_crc = reader.u32();
  entry.key = read_key(reader);
  return entry;
}

std::uint64_t RunSeal::Peeked::step_bytes() const {
  return kRunEntryHeaderBytes + padded(length);
}

bool RunSeal::whole(const Peeked& entry, std::string_view payload) const {
  return payload.size() == entry.length && crc32c_extend(seed_, payload) == entry.payload_crc;
}

std::string run_file_name(std::uint64_t number) {
  return fmt::format("{:016x}.run", number);
}

std::optional<std::uint64_t> run_number(std::string_view file_name, std::string_view ending) {
  if (file_name.size() != 16 + ending.size() || !file_name.ends_with(ending)) return std::nullopt;
  std::uint64_t number = 0;
  const char* end = file_name.data() + 16;
  const auto parsed = std::from_chars(file_name.data(), end, number, 16);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return number;
}

}  // namespace wherry::broker

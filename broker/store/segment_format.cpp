#include "broker/store/segment_format.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "broker/store/message_image.h"

namespace wherry::broker {
namespace {

constexpr std::string_view kSegmentHeaderMagic = "WHERRYSG";
constexpr std::string_view kSegmentFooterMagic = "WHERRYSF";
constexpr std::size_t kStep = 8;
constexpr std::uint16_t kTransient = 1;
constexpr std::size_t kIndexEntryBytes = 56;
constexpr std::size_t kFixedHeaderBytes = 32;

std::size_t round_up(std::size_t value) {
  return (value + kStep - 1) / kStep * kStep;
}

std::uint32_t seed_of_segment(std::uint64_t file_id) {
  char bytes[8];
  store_big(bytes, file_id);
  return crc32c_extend(0, {bytes, sizeof bytes});
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderMagic);
  ByteWriter out(bytes);
  out.u16(kSegmentVersion);
  out.u16(header.transient ? kTransient : 0);
  out.u32(static_cast<std::uint32_t>(header.replaces.size()));
  out.u64(header.sequence);
  out.u64(header.file_id);
  for (std::uint64_t sequence : header.replaces) out.u64(sequence);
  out.u32(crc32c_extend(0, bytes));
  bytes.resize(round_up(bytes.size()));
  return bytes;
}

Result<ReadSegmentHeader, SegmentFault> decode_segment_header(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.bytes(8) != kSegmentHeaderMagic) return tl::unexpected(SegmentFault::damaged);
  const std::uint16_t version = in.u16();
  const std::uint16_t flags = in.u16();
  const std::uint32_t replaces = in.u32();
  ReadSegmentHeader read;
  read.header.sequence = in.u64();
  read.header.file_id = in.u64();
  const std::size_t covered = kFixedHeaderBytes + std::size_t{replaces} * 8;
  if (!in.ok() || bytes.size() < covered + 4 ||
      crc32c_extend(0, bytes.substr(0, covered)) != load_big<std::uint32_t>(bytes.data() + covered)) {
    return tl::unexpected(SegmentFault::damaged);
  }
  if (version > kSegmentVersion) return tl::unexpected(SegmentFault::newer_version);
  read.header.transient = (flags & kTransient) != 0;
  for (std::uint32_t n = 0; n < replaces; ++n) read.header.replaces.push_back(in.u64());
  read.bytes = round_up(covered + 4);
  return read;
}

std::string encode_segment_index(const std::vector<PageInfo>& pages) {
  std::string bytes;
  bytes.reserve(pages.size() * kIndexEntryBytes);
  ByteWriter out(bytes);
  for (const PageInfo& page : pages) {
    out.u64(page.queue);
    out.u64(page.chunk);
    out.u64(page.written.low);
    out.u64(page.written.high);
    out.u64(page.offset);
    out.u32(page.length);
    out.u32(page.expiring);
    out.u64(page.body_bytes);
  }
  return bytes;
}

std::vector<PageInfo> decode_segment_index(std::string_view bytes) {
  std::vector<PageInfo> pages(bytes.size() / kIndexEntryBytes);
  ByteReader in(bytes);
  for (PageInfo& page : pages) {
    page.queue = in.u64();
    page.chunk = in.u64();
    page.written.low = in.u64();
    page.written.high = in.u64();
    page.offset = in.u64();
    page.length = in.u32();
    page.expiring = in.u32();
    page.body_bytes = in.u64();
  }
  return pages;
}

std::size_t segment_index_bytes(std::uint32_t pages) {
  return pages * kIndexEntryBytes;
}

std::string encode_segment_footer(const SegmentFooter& footer) {
  std::string bytes(kSegmentFooterMagic);
  ByteWriter out(bytes);
  out.u64(footer.index_offset);
  out.u32(footer.pages);
  out.u32(footer.index_crc);
  out.u64(footer.sequence);
  out.u64(footer.file_id);
  out.u32(footer.transient ? kTransient : 0);
  out.u32(crc32c_extend(0, bytes));
  return bytes;
}

std::optional<SegmentFooter> decode_segment_footer(std::string_view bytes) {
  if (bytes.size() != kSegmentFooterBytes) return std::nullopt;
  ByteReader in(bytes);
  if (in.bytes(8) != kSegmentFooterMagic) return std::nullopt;
  SegmentFooter footer;
  footer.index_offset = in.u64();
  footer.pages = in.u32();
  footer.index_crc = in.u32();
  footer.sequence = in.u64();
  footer.file_id = in.u64();
  footer.transient = (in.u32() & kTransient) != 0;
  if (crc32c_extend(0, bytes.substr(0, kSegmentFooterBytes - 4)) != in.u32()) return std::nullopt;
  return footer;
}

void append_segment_entry(std::string& to, const SegmentEntry& entry, std::uint64_t file_id) {
  const std::size_t begin = to.size();
  char header[kEntryHeaderBytes] = {};
  store_big(header, static_cast<std::uint32_t>(kEntryHeaderBytes + message_image_bytes(*entry.message)));
  store_big(header + 8, entry.queue);
  store_big(header + 16, entry.at);
  store_big(header + 24, entry.delivery_count);
  to.append(header, sizeof header);
  append_message_image(to, *entry.message);
  // The checksum covers everything but itself.
  std::uint32_t crc = crc32c_extend(seed_of_segment(file_id), {to.data() + begin, 4});
  crc = crc32c_extend(crc, std::string_view(to).substr(begin + 8));
  store_big(to.data() + begin + 4, crc);
  to.resize(round_up(to.size()));
}

void read_segment_entries(std::string_view bytes, std::uint64_t file_id,
                          const std::function<void(std::size_t, std::string_view)>& each,
                          const std::function<void(DamagedRange)>& damaged) {
  const std::uint32_t seed = seed_of_segment(file_id);
  const auto whole_at = [&](std::size_t at) -> std::size_t {
    if (bytes.size() - at < kEntryHeaderBytes + kMessageHeadBytes) return 0;
    const std::size_t length = load_big<std::uint32_t>(bytes.data() + at);
    if (length < kEntryHeaderBytes + kMessageHeadBytes || length > bytes.size() - at) return 0;
    std::uint32_t crc = crc32c_extend(seed, bytes.substr(at, 4));
    crc = crc32c_extend(crc, bytes.substr(at + 8, length - 8));
    return crc == load_big<std::uint32_t>(bytes.data() + at + 4) ? length : 0;
  };
  std::size_t good_end = 0;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t length = whole_at(at);
    if (length == 0) {
      at += kStep;
      continue;
    }
    if (at > good_end) damaged({good_end, at});
    each(at, bytes.substr(at, length));
    at = good_end = std::min(bytes.size(), at + round_up(length));
  }
  if (good_end < bytes.size()) damaged({good_end, bytes.size()});
}

EntryPlace entry_place(std::string_view entry) {
  return {load_big<std::uint64_t>(entry.data() + 8), load_big<std::uint64_t>(entry.data() + 16)};
}

SegmentEntry decode_segment_entry(std::string_view entry) {
  const EntryPlace place = entry_place(entry);
  return {.queue = place.queue,
          .at = place.at,
          .message = decode_message(entry.substr(kEntryHeaderBytes)),
          .delivery_count = load_big<std::uint32_t>(entry.data() + 24)};
}

}  // namespace wherry::broker

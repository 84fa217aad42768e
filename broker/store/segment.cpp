#include "broker/store/segment.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "broker/queueing/queue_limits.h"

namespace wherry::broker {
namespace {

constexpr std::size_t kSegmentWriteBytes = std::size_t{1} << 20;
// A header with its list of replaced segments is far smaller.
constexpr std::size_t kReadHeaderBytes = 16 * 1024;

// Collects entries into pages.
class Pages {
 public:
  void add(const SegmentEntry& entry, std::uint64_t offset, std::uint64_t end) {
    const std::uint64_t chunk = entry.at / chunk_positions;
    if (pages_.empty() || pages_.back().queue != entry.queue || pages_.back().chunk != chunk ||
        end - pages_.back().offset > kPageBytes) {
      pages_.push_back({.queue = entry.queue, .chunk = chunk, .written = {}, .offset = offset});
    }
    PageInfo& page = pages_.back();
    page.written.set(static_cast<unsigned>(entry.at % chunk_positions));
    page.length = static_cast<std::uint32_t>(end - page.offset);
    page.body_bytes += entry.message->body().size();
    if (expiration_of(*entry.message)) ++page.expiring;
  }
  std::vector<PageInfo> take() { return std::move(pages_); }

 private:
  std::vector<PageInfo> pages_;
};

}  // namespace

std::string segment_file_name(std::uint64_t sequence) {
  return fmt::format("{:016x}.seg", sequence);
}
std::string segment_temporary_name(std::uint64_t sequence) {
  return fmt::format("{:016x}.tmp", sequence);
}

std::uint64_t segment_sequence(std::string_view name) {
  std::uint64_t sequence = 0;
  if (name.size() != 20 || !name.ends_with(".seg")) return 0;
  const auto parsed = std::from_chars(name.data(), name.data() + 16, sequence, 16);
  return parsed.ec == std::errc{} && name == segment_file_name(sequence) ? sequence : 0;
}

DiskResult<SegmentContents> write_segment(Vfs& disk, const std::string& folder, SegmentHeader header,
                                          const NextEntry& next) {
  const std::string temporary = folder + "/" + segment_temporary_name(header.sequence);
  auto opened = disk.open(temporary, OpenMode::create);
  if (!opened) return tl::unexpected(opened.error());
  File& file = **opened;
  std::string buffer = encode_segment_header(header);
  std::uint64_t written = 0;
  const auto flush = [&]() -> DiskResult<void> {
    if (auto done = file.write_at(written, buffer); !done) return done;
    written += buffer.size();
    buffer.clear();
    return {};
  };
  Pages pages;
  for (SegmentEntry entry; next(entry);) {
    const std::uint64_t offset = written + buffer.size();
    append_segment_entry(buffer, entry, header.file_id);
    pages.add(entry, offset, written + buffer.size());
    if (buffer.size() >= kSegmentWriteBytes) {
      if (auto done = flush(); !done) return tl::unexpected(done.error());
    }
  }
  SegmentContents contents;
  contents.header = std::move(header);
  contents.pages = pages.take();
  const std::string index = encode_segment_index(contents.pages);
  const SegmentFooter footer{.index_offset = written + buffer.size(),
                             .pages = static_cast<std::uint32_t>(contents.pages.size()),
                             .index_crc = crc32c_extend(0, index),
                             .sequence = contents.header.sequence,
                             .file_id = contents.header.file_id,
                             .transient = contents.header.transient};
  buffer += index;
  buffer += encode_segment_footer(footer);
  if (auto done = flush(); !done) return tl::unexpected(done.error());
  if (auto done = file.sync(); !done) return tl::unexpected(done.error());
  contents.size_bytes = written;
  const std::string path = folder + "/" + segment_file_name(contents.header.sequence);
  if (auto done = disk.rename(temporary, path); !done) return tl::unexpected(done.error());
  if (auto done = disk.sync_folder(folder); !done) return tl::unexpected(done.error());
  return contents;
}

DiskResult<std::unique_ptr<Segment>> Segment::adopt(Vfs& disk, const std::string& folder, SegmentContents written) {
  std::unique_ptr<Segment> segment(new Segment);
  segment->path_ = folder + "/" + segment_file_name(written.header.sequence);
  auto file = disk.open(segment->path_, OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  segment->file_ = std::move(*file);
  segment->sequence_ = written.header.sequence;
  segment->file_id_ = written.header.file_id;
  segment->size_bytes_ = written.size_bytes;
  segment->contents_ = std::move(written);
  return segment;
}

DiskResult<std::unique_ptr<Segment>> Segment::open(Vfs& disk, const std::string& folder, std::uint64_t sequence) {
  std::unique_ptr<Segment> segment(new Segment);
  segment->path_ = folder + "/" + segment_file_name(sequence);
  segment->sequence_ = sequence;
  auto file = disk.open(segment->path_, OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  segment->file_ = std::move(*file);
  if (auto done = segment->read_contents(); !done) return tl::unexpected(done.error());
  return segment;
}

DiskResult<void> Segment::read_contents() {
  const auto size = file_->size();
  if (!size) return tl::unexpected(size.error());
  size_bytes_ = contents_.size_bytes = *size;
  const auto read = [&](std::uint64_t offset, std::uint64_t count) -> DiskResult<std::string> {
    std::string bytes(std::min(count, size_bytes_ - std::min(size_bytes_, offset)), '\0');
    auto got = file_->read_at(offset, bytes.data(), bytes.size());
    if (!got) return tl::unexpected(got.error());
    bytes.resize(*got);
    return bytes;
  };
  auto head = read(0, kReadHeaderBytes);
  if (!head) return tl::unexpected(head.error());
  auto header = decode_segment_header(*head);
  if (!header && header.error() == SegmentFault::newer_version) {
    return disk_error("read a segment of a newer version,", path_, std::errc::not_supported);
  }
  if (size_bytes_ >= kSegmentFooterBytes) {
    auto tail = read(size_bytes_ - kSegmentFooterBytes, kSegmentFooterBytes);
    if (!tail) return tl::unexpected(tail.error());
    const auto footer = decode_segment_footer(*tail);
    if (footer && footer->sequence == sequence_) {
      file_id_ = footer->file_id;
      const std::uint64_t index_bytes = segment_index_bytes(footer->pages);
      if (footer->index_offset + index_bytes + kSegmentFooterBytes == size_bytes_) {
        auto index = read(footer->index_offset, index_bytes);
        if (!index) return tl::unexpected(index.error());
        if (crc32c_extend(0, *index) == footer->index_crc) {
          contents_.pages = decode_segment_index(*index);
          if (header) {
            contents_.header = std::move(header->header);
          } else {
            // What it replaces is there twice, then: recovery takes the newer page of a message.
            contents_.header = {
                .sequence = sequence_, .file_id = file_id_, .transient = footer->transient, .replaces = {}};
            contents_.damage.push_back({path_, 0, contents_.pages.empty() ? size_bytes_ : contents_.pages[0].offset});
          }
          return {};
        }
      }
    }
  }
  // Index or footer are damaged: the pages are found again from the entries.
  if (!header && file_id_ == 0) {
    contents_.damage.push_back({path_, 0, size_bytes_});
    return {};
  }
  if (header) {
    file_id_ = header->header.file_id;
    contents_.header = header->header;
  } else {
    contents_.header = {.sequence = sequence_, .file_id = file_id_, .transient = false, .replaces = {}};
  }
  auto bytes = read(0, size_bytes_);
  if (!bytes) return tl::unexpected(bytes.error());
  // The file may have been cut off between the header and the first page.
  return rebuild(*bytes, header ? std::min(header->bytes, bytes->size()) : 0);
}

DiskResult<void> Segment::rebuild(std::string_view bytes, std::size_t begin) {
  Pages pages;
  bytes.remove_prefix(begin);
  read_segment_entries(
      bytes, file_id_,
      [&](std::size_t offset, std::string_view raw) {
        const SegmentEntry entry = decode_segment_entry(raw);
        if (entry.message) pages.add(entry, begin + offset, begin + offset + (raw.size() + 7) / 8 * 8);
      },
      [&](DamagedRange range) {
        contents_.damage.push_back({path_, begin + range.begin, begin + range.end});
      });
  contents_.pages = pages.take();
  // Cut off between two entries: what is missing has left no trace but that the end is.
  if (contents_.damage.empty()) contents_.damage.push_back({path_, begin + bytes.size(), begin + bytes.size()});
  return {};
}

DiskResult<void> Segment::read_page(std::uint64_t offset, std::uint32_t length, std::string& buffer,
                                    const std::function<void(std::string_view)>& each,
                                    const std::function<void(const SegmentDamage&)>& damaged) {
  if (buffer.size() < length) buffer.resize(length);
  const auto got = file_->read_at(offset, buffer.data(), length);
  if (!got) return tl::unexpected(got.error());
  const std::string_view bytes = std::string_view(buffer).substr(0, *got);
  read_segment_entries(
      bytes, file_id_, [&](std::size_t, std::string_view entry) { each(entry); },
      [&](DamagedRange range) {
        damaged({path_, offset + range.begin, offset + range.end});
      });
  if (*got < length) damaged({path_, offset + *got, offset + length});
  return {};
}

}  // namespace wherry::broker

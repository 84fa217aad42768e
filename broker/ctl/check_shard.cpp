#include "broker/ctl/check_shard.h"

#include <algorithm>

#include <fmt/format.h>

#include "broker/store/message_image.h"
#include "broker/store/schedule_format.h"

namespace wherry::broker {

namespace {

Finding finding_of(Finding::Part part, const SegmentDamage& damage) {
  Finding finding;
  finding.part = part;
  finding.file = damage.file;
  finding.begin = damage.begin;
  finding.end = damage.end;
  return finding;
}

// Both in order.
void add_position(std::vector<QueuePositions>& to, QueueId queue, Position at) {
  if (to.empty() || to.back().queue != queue) to.push_back({queue, {}});
  to.back().positions.push_back(at);
}

}  // namespace

DiskResult<std::vector<std::string>> list_if_there(Vfs& disk, const std::string& folder) {
  auto names = disk.list(folder);
  if (!names && names.error().code == std::errc::no_such_file_or_directory) return std::vector<std::string>{};
  return names;
}

DiskResult<std::uint64_t> size_of(Vfs& disk, const std::string& path) {
  auto file = disk.open(path, OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  return (*file)->size();
}

DiskResult<std::uint64_t> bytes_of_shard(Vfs& disk, const std::string& folder) {
  std::uint64_t bytes = 0;
  using Kind = std::pair<const char*, const char*>;
  for (const auto& [sub, ending] : {Kind{"/log", ".log"}, Kind{"/segments", ".seg"}, Kind{"/delays", ".run"}}) {
    const auto names = list_if_there(disk, folder + sub);
    if (!names) return tl::unexpected(names.error());
    for (const std::string& name : *names) {
      if (!name.ends_with(ending)) continue;
      const auto size = size_of(disk, folder + sub + "/" + name);
      if (!size) return size;
      bytes += *size;
    }
  }
  return bytes;
}

DiskResult<void> ShardCheck::read(const OnRead& on_read) {
  auto there = list_if_there(disk_, contents_->segment_folder());
  if (!there) return tl::unexpected(there.error());
  if (!there->empty()) {
    const auto found = contents_->read_segments();
    if (!found) return tl::unexpected(found.error());
    for (const auto& replaced : found->replaced) replaced_segments_.push_back(replaced.sequence);
    std::set<std::string> seen;
    for (const SegmentDamage& damage : found->damage) {
      if (!seen.insert(damage.file).second) continue;
      const std::uint64_t sequence = segment_sequence(damage.file.substr(damage.file.rfind('/') + 1));
      auto explained = explain_segment(disk_, contents_->segment_folder(), sequence);
      if (!explained) return tl::unexpected(explained.error());
      damaged_segments_.insert(sequence);
      findings_.insert(findings_.end(), explained->begin(), explained->end());
    }
  }
  if (auto done = read_log_files(on_read); !done) return done;

  std::map<std::uint64_t, std::vector<PageRef>> pages;
  for (const auto& [queue, kept] : contents_->queues()) {
    for (const KeptPage& page : kept->pages) {
      pages[page.segment->file->sequence()].push_back({queue, kept.get(), &page});
    }
  }
  for (const auto& [sequence, segment] : contents_->segments()) {
    std::vector<PageRef>& of_segment = pages[sequence];
    std::sort(of_segment.begin(), of_segment.end(),
              [](const PageRef& a, const PageRef& b) { return a.page->offset < b.page->offset; });
    if (auto done = read_segment(sequence, of_segment, on_read); !done) return done;
  }
  if (auto done = look_into_log(); !done) return done;
  return read_runs(on_read);
}

DiskResult<void> ShardCheck::read_log_files(const OnRead& on_read) {
  const auto there = list_if_there(disk_, contents_->log_folder());
  if (!there) return tl::unexpected(there.error());
  if (there->empty()) return {};
  auto log = read_log(disk_, contents_->log_folder(), [&](const LogRecord& record) {
    ++totals_.records;
    contents_->replay(record);
  });
  if (!log) return tl::unexpected(log.error());
  if (contents_->unknown_record()) {
    return disk_error("read records of a newer version in", contents_->log_folder(), std::errc::not_supported);
  }
  log_ = std::move(*log);
  for (const LogContents::LogFile& file : log_.files) {
    ++totals_.log_files;
    totals_.bytes += file.size_bytes;
    on_read(file.size_bytes);
  }
  for (const LogDamage& damage : log_.damage) {
    Finding finding = finding_of(Finding::Part::log, {damage.file, damage.begin, damage.end});
    finding.first_lsn = damage.first_lsn;
    finding.last_lsn = damage.last_lsn;
    if (finding.records() == 0) {
      // The file as a whole is passed over when both copies are bad; what it held is missing behind it.
      const auto bad = std::find_if(log_.files.begin(), log_.files.end(), [&](const LogContents::LogFile& file) {
        return damage.file == contents_->log_folder() + "/" + log_file_name(file.sequence) && file.size_bytes == 0;
      });
      if (bad != log_.files.end()) {
        const auto size = size_of(disk_, damage.file);
        if (!size) return tl::unexpected(size.error());
        finding.end = *size;
        finding.unknown = true;
        finding.note = "both copies of the header: nothing in the file can be read";
      } else {
        finding.note = "one of the two copies of the header";
      }
    }
    findings_.push_back(std::move(finding));
  }
  return {};
}

DiskResult<void> ShardCheck::read_segment(std::uint64_t sequence, const std::vector<PageRef>& pages,
                                          const OnRead& on_read) {
  const KeptSegment& segment = contents_->segments().at(sequence);
  ++totals_.segments;
  std::uint64_t shown = 0;
  for (const PageRef& page : pages) {
    if (auto done = read_page(*segment.file, page); !done) return done;
    on_read(page.page->length);
    shown += page.page->length;
  }
  const std::uint64_t size = segment.file->size_bytes();
  totals_.bytes += size;
  on_read(size - std::min(size, shown));
  return {};
}

DiskResult<void> ShardCheck::read_page(const Segment& segment, const PageRef& of) {
  const KeptPage& page = *of.page;
  std::string buffer;
  struct Seen {
    std::uint64_t offset = 0;
    unsigned index = 0;
  };
  std::vector<Seen> seen;
  std::vector<SegmentDamage> ranges;
  ChunkBits whole;
  auto read = page.segment->file->read_page(
      page.offset, page.length, buffer,
      [&](std::string_view raw) {
        const EntryPlace place = entry_place(raw);
        const auto index = static_cast<unsigned>(place.at % chunk_positions);
        if (place.queue != of.queue || place.at / chunk_positions != page.chunk || !page.written.test(index)) return;
        if (!decode_segment_entry(raw).message) return;
        whole.set(index);
        ++totals_.entries;
        seen.push_back({page.offset + static_cast<std::uint64_t>(raw.data() - buffer.data()), index});
      },
      [&](const SegmentDamage& damage) { ranges.push_back(damage); });
  if (!read) return tl::unexpected(read.error());
  ChunkBits missing = page.written - whole;
  if (ranges.empty() && !missing.any()) return {};
  damaged_segments_.insert(segment.sequence());
  const auto take = [&](const SegmentDamage& range, const char* note) {
    // Entries are in the order of positions: the missing ones lie between their neighbours.
    unsigned first = 0;
    unsigned end = chunk_positions;
    for (const Seen& each : seen) {
      if (each.offset < range.begin) first = std::max(first, each.index + 1);
      if (each.offset >= range.end) end = std::min(end, each.index);
    }
    const ChunkBits here = first < end ? missing & ChunkBits::range(first, end) : ChunkBits{};
    missing = missing - here;
    Finding finding = finding_of(Finding::Part::segment, range);
    finding.note = note;
    (here & page.live).each([&](unsigned index) {
      add_position(finding.lost, of.queue, page.chunk * chunk_positions + index);
    });
    finding.settled = (here - page.live).count();
    findings_.push_back(std::move(finding));
  };
  for (const SegmentDamage& range : ranges) take(range, "");
  if (missing.any()) {
    take({segment.path(), page.offset, page.offset + page.length}, "the index names messages that are not there");
  }
  return {};
}

// A message may be in the log still, where the log's file had not gone yet when the segment was written.
DiskResult<void> ShardCheck::look_into_log() {
  std::map<std::pair<QueueId, Position>, SegmentEntry> wanted;
  for (const Finding& finding : findings_) {
    for (const QueuePositions& lost : finding.lost) {
      for (Position at : lost.positions) wanted[{lost.queue, at}] = {};
    }
  }
  if (wanted.empty() || log_.files.empty()) return {};
  auto again = read_log(disk_, contents_->log_folder(), [&](const LogRecord& record) {
    if (static_cast<RecordType>(record.type) != RecordType::publish) return;
    const auto publish = decode_publish(record.payload);
    for (std::size_t n = 0; publish && n < publish->places; ++n) {
      const Place place = publish->place(n);
      const auto found = wanted.find({place.queue, place.at});
      if (found == wanted.end()) continue;
      SegmentEntry entry{place.queue, place.at, decode_message(publish->image), 0};
      const KeptQueue& kept = *contents_->queues().at(place.queue);
      if (const auto count = kept.attempts.find(place.at); count != kept.attempts.end()) {
        entry.delivery_count = count->second;
      }
      if (entry.message) found->second = std::move(entry);
    }
  });
  if (!again) return tl::unexpected(again.error());
  for (Finding& finding : findings_) {
    std::vector<QueuePositions> lost;
    for (const QueuePositions& each : finding.lost) {
      for (Position at : each.positions) {
        add_position(wanted[{each.queue, at}].message ? finding.in_log : lost, each.queue, at);
      }
    }
    finding.lost = std::move(lost);
  }
  for (auto& [place, entry] : wanted) {
    if (entry.message) in_log_.push_back(std::move(entry));
  }
  return {};
}

DiskResult<void> ShardCheck::read_runs(const OnRead& on_read) {
  const std::string folder = folder_ + "/delays";
  const auto names = list_if_there(disk_, folder);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    const auto number = run_number(name, ".run");
    if (!number) continue;
    const std::size_t before = findings_.size();
    const auto whole = check_run(disk_, folder, *number, findings_);
    if (!whole) return tl::unexpected(whole.error());
    if (findings_.size() > before) damaged_runs_.insert(*number);
    const auto size = size_of(disk_, folder + "/" + name);
    if (!size) return tl::unexpected(size.error());
    ++totals_.runs;
    totals_.scheduled += *whole;
    totals_.bytes += *size;
    on_read(*size);
  }
  return {};
}

}  // namespace wherry::broker

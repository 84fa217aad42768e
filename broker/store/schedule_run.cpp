#include "broker/store/schedule_run.h"

#include <algorithm>
#include <limits>

#include "base/assert.h"

namespace wherry::broker {
namespace {

constexpr std::size_t kRunWriteBytes = std::size_t{256} << 10;
constexpr ScheduleKey kLastKey{std::numeric_limits<std::uint64_t>::max(), std::numeric_limits<std::uint64_t>::max()};

DiskResult<std::string> read_range(File& file, std::uint64_t offset, std::uint64_t count) {
  std::string bytes(count, '\0');
  const auto got = file.read_at(offset, bytes.data(), bytes.size());
  if (!got) return tl::unexpected(got.error());
  bytes.resize(*got);
  return bytes;
}

}  // namespace

// --- RunWriter -------------------------------------------------------------------------------------------------------

DiskResult<std::unique_ptr<RunWriter>> RunWriter::begin(Vfs& disk, std::string folder, RunHeader header) {
  std::unique_ptr<RunWriter> writer(new RunWriter(disk, std::move(folder), std::move(header)));
  auto file = disk.open(writer->path_while_written(), OpenMode::create);
  if (!file) return tl::unexpected(file.error());
  writer->file_ = std::move(*file);
  writer->footer_.id = writer->header_.id;
  writer->pending_ = encode_run_header(writer->header_);
  writer->block_begin_ = writer->pending_.size();
  return writer;
}

DiskResult<void> RunWriter::add(ScheduleKey key, std::string_view payload) {
  WHERRY_ASSERT(footer_.entries == 0 || key > footer_.last);
  const std::uint64_t at = offset_ + pending_.size();
  if (footer_.entries == 0 || at - block_begin_ >= kRunBlockBytes) {
    seal_.append_index(index_, {.offset = at, .key = key, .ordinal = footer_.entries});
    footer_.index_entries += 1;
    block_begin_ = at;
  }
  seal_.append_entry(pending_, payload);
  if (footer_.entries == 0) footer_.first = key;
  footer_.last = key;
  footer_.entries += 1;
  footer_.payload_bytes += payload.size();
  return pending_.size() < kRunWriteBytes ? DiskResult<void>{} : write_out();
}

DiskResult<void> RunWriter::write_out() {
  if (auto done = file_->write_at(offset_, pending_); !done) return done;
  offset_ += pending_.size();
  pending_.clear();
  return {};
}

DiskResult<RunFile> RunWriter::finish() {
  WHERRY_ASSERT(footer_.entries > 0);
  const std::string header = encode_run_header(header_);
  footer_.index_offset = offset_ + pending_.size();
  footer_.header_bytes = static_cast<std::uint32_t>(header.size());
  pending_ += index_;
  pending_ += header;
  pending_ += encode_run_footer(footer_);
  if (auto done = write_out(); !done) return tl::unexpected(done.error());
  if (auto done = file_->sync(); !done) return tl::unexpected(done.error());
  if (auto done = disk_.rename(path_while_written(), path()); !done) return tl::unexpected(done.error());
  if (auto done = disk_.sync_folder(folder_); !done) return tl::unexpected(done.error());
  file_.reset();
  return RunFile{path(), header_, footer_};
}

void RunWriter::abandon() {
  file_.reset();
  (void)disk_.remove(path_while_written());
}

// --- open_run --------------------------------------------------------------------------------------------------------

DiskResult<std::optional<RunFile>> open_run(Vfs& disk, const std::string& folder, std::uint64_t number,
                                            const ReportScheduleDamage& report) {
  RunFile run;
  run.path = folder + "/" + run_file_name(number);
  auto file = disk.open(run.path, OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return tl::unexpected(size.error());

  // What cannot be read is damaged, as what reads wrong.
  const auto bytes = [&](std::uint64_t offset, std::uint64_t count) {
    return read_range(**file, offset, count).value_or("");
  };
  std::optional<RunFooter> footer;
  if (*size >= kRunFooterBytes) footer = decode_run_footer(bytes(*size - kRunFooterBytes, kRunFooterBytes));
  if (footer && footer->file_bytes() != *size) footer.reset();
  auto header = decode_run_header(bytes(0, kMaxRunHeaderBytes));
  if (!header && header.error() == RunHeaderFault::damaged && footer) {
    report({run.path, 0, footer->header_bytes, "the header; its copy is good"});
    header = decode_run_header(bytes(*size - kRunFooterBytes - footer->header_bytes, footer->header_bytes));
  }
  if (!header && header.error() == RunHeaderFault::newer_version) {
    return disk_error("read a run of a newer version,", run.path, std::errc::not_supported);
  }
  if (!header || header->number != number || (footer && footer->id != header->id)) {
    report({run.path, 0, *size, "a run without a good header; the file is kept aside"});
    return std::nullopt;
  }
  run.header = std::move(*header);
  if (footer) {
    run.footer = *footer;
    return run;
  }

  // Read from one end to the other. Behind the last entry index and old footer look like damage, and are not.
  std::vector<ScheduleDamage> gaps;
  run.footer.id = run.header.id;
  run.footer.index_offset = *size;
  run.footer.entries = std::numeric_limits<std::uint64_t>::max();
  run.footer.last = kLastKey;
  RunCursor all(disk, run, [&](const ScheduleDamage& gap) { gaps.push_back(gap); });
  RunFooter made;
  made.id = run.header.id;
  made.index_offset = run.header.size_bytes();
  while (!all.at_end()) {
    if (made.entries == 0) made.first = all.key();
    made.last = all.key();
    made.entries += 1;
    made.payload_bytes += all.entry_.length;
    made.index_offset = all.offset_ + all.entry_.step_bytes();
    all.skip();
  }
  std::erase_if(gaps, [&](const ScheduleDamage& gap) { return gap.begin >= made.index_offset; });
  for (const ScheduleDamage& gap : gaps) report(gap);
  report({run.path, made.index_offset, *size, "the footer; the entries before it are used"});
  if (made.entries == 0) return std::nullopt;
  run.footer = made;
  return run;
}

// --- RunCursor -------------------------------------------------------------------------------------------------------

RunCursor::RunCursor(Vfs& disk, RunFile run, ReportScheduleDamage report)
    : run_(std::move(run)), seal_(run_.header.id), report_(std::move(report)) {
  auto file = disk.open(run_.path, OpenMode::read);
  if (file) file_ = std::move(*file);
  settle_at(run_.header.size_bytes(), {});
}

void RunCursor::damaged(std::uint64_t begin, std::uint64_t end, std::string what) {
  saw_damage_ = true;
  report_({run_.path, begin, end, std::move(what)});
}

void RunCursor::release() {
  std::string().swap(window_);
  std::string().swap(taken_);
}

// At most `count` bytes: fewer at the end of the entries, none where the disk cannot read.
std::string_view RunCursor::view(std::uint64_t offset, std::uint64_t count) {
  const std::uint64_t end = run_.footer.index_offset;
  count = std::min(count, end - std::min(end, offset));
  if (offset < window_at_ || offset + count > window_at_ + window_.size()) {
    window_.resize(std::min(std::max<std::uint64_t>(count, kRunBlockBytes), end - std::min(end, offset)));
    window_at_ = offset;
    std::size_t got = 0;
    if (file_) got = file_->read_at(offset, window_.data(), window_.size()).value_or(0);
    window_.resize(got);
  }
  return std::string_view(window_).substr(std::min<std::uint64_t>(offset - window_at_, window_.size()), count);
}

std::optional<RunSeal::Peeked> RunCursor::entry_at(std::uint64_t offset, ScheduleKey after) {
  auto entry = seal_.peek(view(offset, kRunEntryPeekBytes));
  if (!entry || entry->key <= after || entry->key > run_.footer.last) return std::nullopt;
  if (offset + entry->step_bytes() > run_.footer.index_offset) return std::nullopt;
  return entry;
}

// To the first good entry from `offset` on; keys grow.
void RunCursor::settle_at(std::uint64_t offset, ScheduleKey after) {
  const std::uint64_t begin = offset;
  while (offset < run_.footer.index_offset) {
    if (const auto entry = entry_at(offset, after)) {
      if (offset > begin) damaged(begin, offset, "entries that cannot be read");
      offset_ = offset;
      entry_ = *entry;
      at_end_ = false;
      return;
    }
    // A window that could not be read at all is passed as one.
    offset += view(offset, kRunStep).empty() ? kRunBlockBytes : kRunStep;
  }
  if (begin < run_.footer.index_offset) damaged(begin, run_.footer.index_offset, "entries that cannot be read");
  at_end_ = true;
  std::string().swap(window_);
}

void RunCursor::skip() {
  passed_ += 1;
  settle_at(offset_ + entry_.step_bytes(), entry_.key);
}

std::optional<std::string_view> RunCursor::take_payload() {
  const std::uint64_t begin = offset_;
  const RunSeal::Peeked entry = entry_;
  const std::string_view payload = view(begin + kRunEntryHeaderBytes, entry.length);
  const bool whole = seal_.whole(entry, payload);
  // Before the window moves on. A long message's own window is let go with it.
  if (whole) taken_.assign(payload);
  if (window_.size() > kRunBlockBytes) std::string().swap(window_);
  if (!whole) damaged(begin, begin + entry.step_bytes(), "a message that cannot be read");
  skip();
  if (!whole) return std::nullopt;
  return taken_;
}

std::optional<ScheduledView> RunCursor::take() {
  const std::uint64_t begin = offset_;
  const auto payload = take_payload();
  if (!payload) return std::nullopt;
  auto view = decode_scheduled(*payload);
  if (!view) damaged(begin, begin + kRunEntryHeaderBytes + payload->size(), "a message that makes no sense");
  return view;
}

std::optional<RunIndexEntry> RunCursor::index_at(std::uint64_t at) {
  if (!file_) return std::nullopt;
  const auto bytes = read_range(*file_, run_.footer.index_offset + at * kRunIndexBytes, kRunIndexBytes);
  return bytes ? seal_.index(*bytes) : std::nullopt;
}

void RunCursor::seek_after(ScheduleKey key) {
  if (at_end_ || entry_.key > key) return;
  if (key >= run_.footer.last) {
    at_end_ = true;
    return release();
  }
  // The last block whose first key is not behind the key holds the place. Blocks before `low` begin at or before it.
  std::uint64_t low = 0;
  std::uint64_t high = run_.footer.index_entries;
  std::optional<RunIndexEntry> block;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const auto entry = index_at(middle);
    if (!entry) {
      const std::uint64_t begin = run_.footer.index_offset + middle * kRunIndexBytes;
      damaged(begin, begin + kRunIndexBytes, "the index; the entries are read instead");
      break;
    }
    if (entry->key <= key) {
      block = entry;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (block && block->offset > offset_) {
    passed_ = block->ordinal;
    settle_at(block->offset, entry_.key);
  }
  while (!at_end_ && entry_.key <= key) skip();
}

}  // namespace wherry::broker

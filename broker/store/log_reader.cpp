#include "broker/store/log_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace wherry::broker {
namespace {

struct Candidate {
  std::string path;
  std::uint64_t sequence = 0;
  std::optional<LogFileHeader> header = {};  // Nothing: damaged.
  std::uint64_t size_bytes = 0;
};

DiskResult<std::string> read_up_to(Vfs& disk, const std::string& path, std::uint64_t most) {
  auto file = disk.open(path, OpenMode::read);
  if (!file) return tl::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return tl::unexpected(size.error());
  std::string bytes(std::min(*size, most), '\0');
  const auto got = (*file)->read_at(0, bytes.data(), bytes.size());
  if (!got) return tl::unexpected(got.error());
  bytes.resize(*got);
  return bytes;
}

// Calls on_batch(header, offset, bytes of the records) for each good batch header, until it returns false.
template <class OnBatch>
void walk(std::string_view bytes, std::uint64_t file_id, OnBatch on_batch) {
  std::uint64_t offset = kLogHeaderBytes;
  while (offset < bytes.size()) {
    const std::size_t next = find_batch(bytes.substr(offset), file_id);
    if (next == std::string_view::npos) return;
    offset += next;
    const auto header = decode_batch_header(bytes.substr(offset), file_id);
    const auto records = bytes.substr(offset + kBatchHeaderBytes, header->length);
    if (!on_batch(*header, offset, records)) return;
    offset += header->step_bytes();
  }
}

class Reader {
 public:
  Reader(Vfs& disk, const std::string& folder, const std::function<void(const LogRecord&)>& each)
      : disk_(disk), folder_(folder), each_(each) {}

  DiskResult<LogContents> read() {
    if (auto done = find_files(); !done) return tl::unexpected(done.error());
    for (const Candidate& file : files_) {
      if (auto done = find_durable(file); !done) return tl::unexpected(done.error());
    }
    for (std::size_t at = 0; at < files_.size(); ++at) {
      if (auto done = read_file(at); !done) return tl::unexpected(done.error());
    }
    contents_.last_lsn = std::max(expected_ == 0 ? 0 : expected_ - 1, durable_);
    return std::move(contents_);
  }

 private:
  DiskResult<void> find_files() {
    const auto names = disk_.list(folder_);
    if (!names) return tl::unexpected(names.error());
    for (const std::string& name : *names) {
      Candidate file{.path = folder_ + "/" + name};
      const char* end = name.data() + std::min<std::size_t>(16, name.size());
      const auto parsed = std::from_chars(name.data(), end, file.sequence, 16);
      if (parsed.ec != std::errc{} || name != log_file_name(file.sequence)) continue;
      if (auto done = read_header(file); !done) return done;
      files_.push_back(std::move(file));
    }
    return {};
  }

  DiskResult<void> read_header(Candidate& file) {
    const auto bytes = read_up_to(disk_, file.path, kLogHeaderBytes);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto read = decode_log_header(*bytes);
    if (!read && read.error() == LogHeaderFault::newer_version) {
      return disk_error("read a log file of a newer version,", file.path, std::errc::not_supported);
    }
    if (!read || read->copy_damaged)
      contents_.damage.push_back({.file = file.path, .begin = 0, .end = kLogHeaderBytes});
    if (!read) return {};
    file.header = read->header;
    // The files before were synced before this header was written.
    durable_ = std::max(durable_, read->header.follows_lsn);
    contents_.highest_lsn = std::max(contents_.highest_lsn, read->header.first_lsn - 1);
    return {};
  }

  DiskResult<void> find_durable(const Candidate& file) {
    if (!file.header) return {};
    const auto bytes = read_up_to(disk_, file.path, std::numeric_limits<std::uint64_t>::max());
    if (!bytes) return tl::unexpected(bytes.error());
    walk(*bytes, file.header->file_id, [&](const BatchHeader& batch, std::uint64_t, std::string_view) {
      durable_ = std::max(durable_, batch.durable_lsn);
      contents_.highest_lsn = std::max(contents_.highest_lsn, batch.first_lsn + batch.record_count - 1);
      return true;
    });
    return {};
  }

  void lost(const Candidate& file, std::uint64_t begin, std::uint64_t end, std::uint64_t first, std::uint64_t last) {
    // A file that was cut short may end before its records begin.
    if (first <= last) contents_.damage.push_back({file.path, begin, std::max(begin, end), first, last});
  }

  DiskResult<void> read_file(std::size_t at) {
    const Candidate& file = files_[at];
    if (!file.header) {
      contents_.files.push_back({file.sequence, 0, expected_ == 0 ? 0 : expected_ - 1});
      return {};
    }
    if (expected_ == 0) {
      expected_ = file.header->first_lsn;
    } else {
      // The file before ended here, unless something of it is missing.
      const Candidate& before = files_[before_];
      lost(before, end_of_good_, before.size_bytes, expected_, file.header->follows_lsn);
      expected_ = std::max(expected_, file.header->first_lsn);
    }
    const auto bytes = read_up_to(disk_, file.path, std::numeric_limits<std::uint64_t>::max());
    if (!bytes) return tl::unexpected(bytes.error());
    files_[at].size_bytes = bytes->size();
    std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t next = at + 1; next < files_.size(); ++next) {
      if (!files_[next].header) continue;
      limit = files_[next].header->follows_lsn;
      break;
    }
    end_of_good_ = kLogHeaderBytes;
    before_ = at;
    walk(*bytes, file.header->file_id, [&](const BatchHeader& batch, std::uint64_t offset, std::string_view records) {
      return take(file, limit, batch, offset, records);
    });
    if (at + 1 == files_.size()) {
      lost(file, end_of_good_, bytes->size(), expected_, durable_);
      expected_ = std::max(expected_, durable_ + 1);
    }
    contents_.files.push_back({file.sequence, bytes->size(), expected_ - 1});
    return {};
  }

  // False where the log ends.
  bool take(const Candidate& file, std::uint64_t limit, const BatchHeader& batch, std::uint64_t offset,
            std::string_view records) {
    const std::uint64_t end = offset + batch.step_bytes();
    if (batch.first_lsn > limit) return false;
    if (batch.first_lsn < expected_) return true;
    if (batch.first_lsn > expected_ && batch.first_lsn - 1 > durable_) return false;
    const std::uint64_t last = batch.first_lsn + batch.record_count - 1;
    const bool promised = last <= durable_;
    if (!promised) {
      const auto nothing = [](const LogRecord&) {};
      if (read_records(batch, records, file.header->file_id, nothing) != batch.record_count) return false;
    }
    lost(file, end_of_good_, offset, expected_, batch.first_lsn - 1);
    std::uint64_t next = batch.first_lsn;
    read_records(batch, records, file.header->file_id, [&](const LogRecord& record) {
      lost(file, offset, end, next, record.lsn - 1);
      next = record.lsn + 1;
      each_(record);
    });
    lost(file, offset, end, next, last);
    expected_ = last + 1;
    end_of_good_ = end;
    return true;
  }

  Vfs& disk_;
  const std::string& folder_;
  const std::function<void(const LogRecord&)>& each_;
  std::vector<Candidate> files_;
  LogContents contents_;
  std::uint64_t durable_ = 0;
  std::uint64_t expected_ = 0;     // The next record's LSN; 0 before the first file.
  std::size_t before_ = 0;         // The file that was read last.
  std::uint64_t end_of_good_ = 0;  // Of its batches that count.
};

}  // namespace

std::string log_file_name(std::uint64_t sequence) {
  return fmt::format("{:016x}.log", sequence);
}

DiskResult<LogContents> read_log(Vfs& disk, const std::string& folder,
                                 const std::function<void(const LogRecord&)>& each) {
  return Reader(disk, folder, each).read();
}

}  // namespace wherry::broker

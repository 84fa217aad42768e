#include "broker/store/log.h"

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include "base/assert.h"

namespace wherry::broker {

std::string Log::spare_path(std::uint64_t sequence) const {
  return path(fmt::format("{:016x}.spare", sequence));
}

DiskResult<std::unique_ptr<Log>> Log::open(Vfs& disk, Options options,
                                           const std::function<void(const LogRecord&)>& each) {
  std::unique_ptr<Log> log(new Log(disk, std::move(options)));
  if (!log->options_.random) {
    log->options_.random = [] {
      std::random_device device;
      return std::uint64_t{device()} << 32 | device();
    };
  }
  // Names first: what is read below must not go away in a power cut that follows.
  if (auto done = disk.sync_folder(log->options_.folder); !done) return tl::unexpected(done.error());
  auto found = read_log(disk, log->options_.folder, each);
  if (!found) return tl::unexpected(found.error());
  log->found_ = std::move(*found);
  if (auto done = log->begin(); !done) return tl::unexpected(done.error());
  return log;
}

DiskResult<void> Log::begin() {
  const auto names = disk_.list(options_.folder);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (name.ends_with(".spare")) spares_.push_back(path(name));
  }
  if (!found_.files.empty()) {
    old_.assign(found_.files.begin(), found_.files.end());
    header_.sequence = old_.back().sequence;
    // After a kill what was read may be in memory only; the header of the next file claims that it is durable.
    auto last = disk_.open(path(log_file_name(header_.sequence)), OpenMode::write);
    if (!last) return tl::unexpected(last.error());
    if (auto done = (*last)->sync(); !done) return done;
  }
  next_lsn_ = std::max(found_.highest_lsn, found_.last_lsn) + 1;
  durable_lsn_ = found_.last_lsn;
  return begin_file(found_.last_lsn, 0);
}

DiskResult<void> Log::begin_file(std::uint64_t follows_lsn, std::uint64_t first_batch_bytes) {
  LogFileHeader header;
  header.sequence = header_.sequence + 1;
  header.file_id = options_.random();
  header.first_lsn = next_lsn_;
  header.follows_lsn = follows_lsn;
  const bool recycled = !spares_.empty();
  const std::string from = recycled ? spares_.back() : spare_path(header.sequence);
  auto file = disk_.open(from, recycled ? OpenMode::write : OpenMode::create);
  if (!file) return tl::unexpected(file.error());
  const auto made = prepare(**file, header, first_batch_bytes);
  if (!made) {
    // Nothing is lost where the disk is full: this file goes, and the one before is still there.
    file->reset();
    if (!recycled) (void)disk_.remove(from);
    return tl::unexpected(made.error());
  }
  if (recycled) spares_.pop_back();
  // The name comes after the header is durable, and the first batch after the name is.
  if (auto done = disk_.rename(from, path(log_file_name(header.sequence))); !done) return done;
  if (auto done = disk_.sync_folder(options_.folder); !done) return done;
  file_ = std::move(*file);
  header_ = header;
  size_bytes_ = *made;
  offset_ = kLogHeaderBytes;
  return {};
}

DiskResult<std::uint64_t> Log::prepare(File& file, const LogFileHeader& header, std::uint64_t first_batch_bytes) {
  const std::uint64_t bytes = std::max(options_.file_bytes, kLogHeaderBytes + first_batch_bytes);
  if (auto done = file.preallocate(bytes); !done) return tl::unexpected(done.error());
  const auto size = file.size();
  if (!size) return size;
  if (auto done = file.write_at(0, encode_log_header(header)); !done) return tl::unexpected(done.error());
  if (auto done = file.sync(); !done) return tl::unexpected(done.error());
  return size;
}

DiskResult<void> Log::make_room(std::size_t batch_bytes) {
  WHERRY_ASSERT(!broken_);
  if (offset_ + batch_bytes <= size_bytes_) return {};
  broken_ = true;
  // Synced as a whole before the next begins: its header says so.
  if (auto done = sync_file(); !done) return done;
  const LogContents::LogFile full{header_.sequence, size_bytes_, last_lsn()};
  if (auto done = begin_file(last_lsn(), batch_bytes); !done) {
    if (done.error().code == std::errc::no_space_on_device) broken_ = false;
    return done;
  }
  old_.push_back(full);
  broken_ = false;
  return {};
}

std::uint64_t Log::oldest_last_lsn() const {
  // The oldest file may have no record that counts, when its header is damaged: it goes with the one behind it.
  for (const LogContents::LogFile& file : old_) {
    if (file.last_lsn > 0) return file.last_lsn;
  }
  return 0;
}

std::uint64_t Log::bytes() const {
  std::uint64_t bytes = size_bytes_;
  for (const LogContents::LogFile& file : old_) bytes += file.size_bytes;
  return bytes;
}

DiskResult<void> Log::write_sealed(BatchBuilder& batch) {
  const std::uint64_t bytes = batch.size_bytes();
  if (auto done = file_->write_at(offset_, batch.seal(header_.file_id, next_lsn_, durable_lsn_)); !done) return done;
  offset_ += bytes;
  next_lsn_ += batch.records();
  batch.clear();
  return {};
}

DiskResult<std::uint64_t> Log::write(BatchBuilder& batch) {
  WHERRY_ASSERT(!broken_ && batch.records() > 0);
  if (auto done = make_room(batch.size_bytes()); !done) return tl::unexpected(done.error());
  broken_ = true;
  if (auto done = write_sealed(batch); !done) return tl::unexpected(done.error());
  broken_ = false;
  return last_lsn();
}

DiskResult<void> Log::sync_file() {
  if (durable_lsn_ == last_lsn()) return {};
  if (auto done = file_->sync(); !done) return done;
  durable_lsn_ = last_lsn();
  return {};
}

DiskResult<void> Log::sync() {
  WHERRY_ASSERT(!broken_);
  broken_ = true;
  if (auto done = sync_file(); !done) return done;
  broken_ = false;
  return {};
}

DiskResult<void> Log::retire_below(std::uint64_t lsn) {
  WHERRY_ASSERT(!broken_);
  while (!old_.empty() && old_.front().last_lsn < lsn) {
    const LogContents::LogFile file = old_.front();
    const std::string name = path(log_file_name(file.sequence));
    const bool spare = spares_.size() < options_.spare_files && file.size_bytes == options_.file_bytes;
    broken_ = true;
    if (auto done = spare ? disk_.rename(name, spare_path(file.sequence)) : disk_.remove(name); !done) return done;
    // One at a time: a newer file must not be gone while an older one is there.
    if (auto done = disk_.sync_folder(options_.folder); !done) return done;
    broken_ = false;
    if (spare) spares_.push_back(spare_path(file.sequence));
    old_.pop_front();
  }
  return {};
}

DiskResult<void> Log::anchor() {
  if (auto done = sync(); !done) return done;
  BatchBuilder mark;
  // The header of a new file says as much.
  if (offset_ + mark.size_bytes() > size_bytes_) return make_room(mark.size_bytes());
  broken_ = true;
  if (auto done = write_sealed(mark); !done) return done;
  if (auto done = file_->sync(); !done) return done;
  broken_ = false;
  return {};
}

DiskResult<void> Log::close() {
  BatchBuilder mark;
  // Without room the next start says it, in its new file.
  auto done = offset_ + mark.size_bytes() > size_bytes_ ? sync() : anchor();
  broken_ = true;
  return done;
}

}  // namespace wherry::broker

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
  header_.sequence += 1;
  header_.file_id = options_.random();
  header_.first_lsn = next_lsn_;
  header_.follows_lsn = follows_lsn;
  std::string from = spare_path(header_.sequence);
  OpenMode mode = OpenMode::create;
  if (!spares_.empty()) {
    from = spares_.back();
    spares_.pop_back();
    mode = OpenMode::write;
  }
  auto file = disk_.open(from, mode);
  if (!file) return tl::unexpected(file.error());
  file_ = std::move(*file);
  if (auto done = file_->preallocate(std::max(options_.file_bytes, kLogHeaderBytes + first_batch_bytes)); !done) {
    return done;
  }
  const auto size = file_->size();
  if (!size) return tl::unexpected(size.error());
  if (auto done = file_->write_at(0, encode_log_header(header_)); !done) return done;
  if (auto done = file_->sync(); !done) return done;
  // The name comes after the header is durable, and the first batch after the name is.
  if (auto done = disk_.rename(from, path(log_file_name(header_.sequence))); !done) return done;
  if (auto done = disk_.sync_folder(options_.folder); !done) return done;
  size_bytes_ = *size;
  offset_ = kLogHeaderBytes;
  return {};
}

DiskResult<void> Log::write_sealed(BatchBuilder& batch) {
  const std::uint64_t bytes = batch.size_bytes();
  if (offset_ + bytes > size_bytes_) {
    // Synced as a whole before the next begins: its header says so.
    if (auto done = sync_file(); !done) return done;
    const LogContents::LogFile full{header_.sequence, size_bytes_, last_lsn()};
    file_.reset();
    if (auto done = begin_file(last_lsn(), bytes); !done) return done;
    old_.push_back(full);
  }
  if (auto done = file_->write_at(offset_, batch.seal(header_.file_id, next_lsn_, durable_lsn_)); !done) return done;
  offset_ += bytes;
  next_lsn_ += batch.records();
  batch.clear();
  return {};
}

DiskResult<std::uint64_t> Log::write(BatchBuilder& batch) {
  WHERRY_ASSERT(!broken_ && batch.records() > 0);
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

DiskResult<void> Log::close() {
  if (auto done = sync(); !done) return done;
  broken_ = true;
  BatchBuilder mark;
  if (offset_ + mark.size_bytes() <= size_bytes_) {
    if (auto done = write_sealed(mark); !done) return done;
    if (auto done = file_->sync(); !done) return done;
  }
  return {};
}

}  // namespace wherry::broker

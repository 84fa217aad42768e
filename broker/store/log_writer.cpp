#include "broker/store/log_writer.h"

#include <algorithm>
#include <utility>

namespace wherry::broker {
namespace {

constexpr std::size_t kCloseBatchAt = std::size_t{4} << 20;

}  // namespace

LogWriter::LogWriter(std::unique_ptr<Log> log, Events events)
    : log_(std::move(log)), events_(std::move(events)), next_lsn_(log_->last_lsn() + 1) {
  thread_ = std::thread([this] { run(); });
}

LogWriter::~LogWriter() {
  commit();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

std::uint64_t LogWriter::append(std::uint8_t type, std::string_view payload) {
  if (open_.records() > 0 && open_.size_bytes() + payload.size() > kCloseBatchAt) commit();
  open_.add(type, payload);
  return next_lsn_++;
}

void LogWriter::commit() {
  if (open_.records() == 0) return;
  waiting_bytes_.fetch_add(open_.size_bytes(), std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::exchange(open_, BatchBuilder()));
  }
  changed_.notify_one();
}

void LogWriter::retire_below(std::uint64_t lsn) {
  {
    const std::lock_guard lock(mutex_);
    retire_below_ = std::max(retire_below_, lsn);
  }
  changed_.notify_one();
}

void LogWriter::run() {
  bool failed = false;
  std::uint64_t retired_below = 0;
  for (;;) {
    std::vector<BatchBuilder> batches;
    std::uint64_t retire = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty() || retire_below_ > retired_below; });
      batches.swap(waiting_);
      retire = std::exchange(retired_below, retire_below_) < retire_below_ ? retire_below_ : 0;
      if (batches.empty() && retire == 0) break;
    }
    if (failed) continue;
    auto done = write(batches, retire);
    if (!done) {
      failed = true;
      events_.failed(done.error());
    }
  }
  if (failed) return;
  if (auto done = log_->close(); !done) events_.failed(done.error());
}

DiskResult<void> LogWriter::write(std::vector<BatchBuilder>& batches, std::uint64_t retire_below) {
  std::size_t bytes = 0;
  for (BatchBuilder& batch : batches) {
    bytes += batch.size_bytes();
    if (auto done = log_->write(batch); !done) return tl::unexpected(done.error());
  }
  if (!batches.empty()) {
    if (auto done = log_->sync(); !done) return done;
    waiting_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    events_.durable(log_->durable_lsn());
  }
  return retire_below == 0 ? DiskResult<void>{} : log_->retire_below(retire_below);
}

}  // namespace wherry::broker

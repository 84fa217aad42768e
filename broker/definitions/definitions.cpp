#include "broker/definitions/definitions.h"

#include "base/assert.h"
#include "base/log.h"

namespace wherry::broker {

namespace {
using namespace std::chrono_literals;
// After so long without a change the write-ahead log is moved into the file.
constexpr auto idle = 5s;
constexpr auto retry_after = 1s;
}  // namespace

Result<std::unique_ptr<Definitions>> Definitions::open(std::filesystem::path file) {
  auto opened = DefinitionsFile::open(std::move(file));
  if (!opened) return tl::unexpected(opened.error());
  return std::make_unique<Definitions>(std::move(*opened));
}

Definitions::Definitions(std::unique_ptr<DefinitionsDisk> disk) : disk_(std::move(disk)) {}

Definitions::~Definitions() {
  stop();
}

Result<void> Definitions::start(Events events) {
  WHERRY_ASSERT(!thread_.joinable());
  events_ = std::move(events);
  next_id_ = disk_->queue_ids_below();
  ids_below_ = next_id_ + id_block;
  if (auto reserved = disk_->commit({}, ids_below_); !reserved) return fail(reserved.error().message);
  // The log of a run that was killed.
  if (auto done = disk_->tidy(); !done) return done;
  thread_ = std::thread([this] { run(); });
  return {};
}

void Definitions::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::uint64_t Definitions::record(TopologyChange change) {
  std::lock_guard lock(mutex_);
  if (stopping_) return recorded_.load();
  waiting_.push_back(std::move(change));
  if (waiting_.size() == 1) changed_.notify_one();
  const std::uint64_t number = recorded_.load(std::memory_order_relaxed) + 1;
  recorded_.store(number);
  return number;
}

std::uint64_t Definitions::next_queue_id() {
  std::unique_lock lock(mutex_);
  // The next block is reserved when half of this one is left, so this waits only when half a million queues are
  // declared during one commit.
  if (next_id_ >= ids_below_) {
    changed_.notify_one();
    progressed_.wait(lock, [this] { return next_id_ < ids_below_ || stopping_ || !failure_.empty(); });
  }
  return next_id_++;
}

Result<void> Definitions::sync() {
  std::unique_lock lock(mutex_);
  const std::uint64_t change = recorded_.load();
  progressed_.wait(lock, [&] { return committed_.load() >= change || stopping_ || !failure_.empty(); });
  if (committed_.load() >= change) return {};
  return fail(failure_.empty() ? "definitions: stopped" : failure_);
}

bool Definitions::wait_committed(std::uint64_t change, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  progressed_.wait_for(lock, patience, [&] { return committed_.load() >= change || stopping_ || !failure_.empty(); });
  return committed_.load() >= change;
}

// --- the writer's thread ---------------------------------------------------------------------------------------------

void Definitions::run() {
  std::unique_lock lock(mutex_);
  bool tidy = true;
  while (true) {
    auto needed = [this] { return !waiting_.empty() || stopping_ || next_id_ + id_block / 2 >= ids_below_; };
    if (tidy) {
      changed_.wait(lock, needed);
    } else if (!changed_.wait_for(lock, idle, needed)) {
      tidy = true;
      lock.unlock();
      if (auto done = disk_->tidy(); !done) log::warning("definitions", "{}", done.error().message);
      lock.lock();
      continue;
    }
    if (stopping_ && waiting_.empty()) return;
    std::vector<TopologyChange> batch;
    batch.swap(waiting_);
    const std::uint64_t last = recorded_.load();
    lock.unlock();
    const bool done = commit(batch, last);
    batch.clear();
    tidy = false;
    lock.lock();
    if (!done) return;
  }
}

bool Definitions::commit(std::vector<TopologyChange>& batch, std::uint64_t last) {
  bool told = false;
  while (true) {
    std::unique_lock lock(mutex_);
    const std::uint64_t reserve = next_id_ + id_block / 2 >= ids_below_ ? next_id_ + id_block : ids_below_;
    lock.unlock();
    const auto written = disk_->commit(batch, reserve);
    lock.lock();
    if (written) {
      if (told) log::info("definitions", "there is room on the disk again");
      ids_below_ = reserve;
      committed_.store(last);
      progressed_.notify_all();
      lock.unlock();
      if (events_.committed) events_.committed(last);
      return true;
    }
    if (!written.error().may_pass) {
      failure_ = written.error().message;
      progressed_.notify_all();
      lock.unlock();
      if (events_.failed) events_.failed(written.error().message);
      return false;
    }
    if (!std::exchange(told, true)) {
      log::error("definitions", "{}; what was declared waits for room on the disk", written.error().message);
    }
    if (changed_.wait_for(lock, retry_after, [this] { return stopping_; })) {
      failure_ = written.error().message;
      progressed_.notify_all();
      return false;
    }
  }
}

}  // namespace wherry::broker

#include "broker/store/log_writer.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wherry::broker {
namespace {

constexpr std::size_t kHandOverAt = std::size_t{4} << 20;
constexpr std::size_t kSpareBuilders = 4;
constexpr std::chrono::milliseconds kSyncWithin{100};
constexpr std::chrono::milliseconds kTryFullLogEvery{200};

bool is_full(const DiskError& error) {
  return error.code == std::errc::no_space_on_device;
}

}  // namespace

LogWriter::LogWriter(std::unique_ptr<Log> log, Events events, Threads threads)
    : log_(std::move(log)),
      events_(std::move(events)),
      // What fits a log file: on a disk that is nearly full there may be one, and no room for one that is larger.
      hand_over_at_(std::min(kHandOverAt, log_->room_of_file())),
      next_lsn_(log_->last_lsn() + 1),
      done_lsn_(log_->last_lsn()) {
  publish_progress();
  if (threads == Threads::own) thread_ = std::thread([this] { run(); });
}

LogWriter::~LogWriter() {
  commit();
  if (!thread_.joinable()) {
    // Whoever works by hand decides what was written; nothing more is.
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

std::uint64_t LogWriter::append(std::uint8_t type, std::initializer_list<std::string_view> parts, Sync sync) {
  std::size_t bytes = 0;
  for (std::string_view part : parts) bytes += part.size();
  if (open_.builder.records() > 0 && open_.builder.size_bytes_with(bytes) > hand_over_at_) hand_over();
  open_.builder.add(type, parts);
  open_.sync = open_.sync || sync == Sync::wanted;
  return next_lsn_++;
}

void LogWriter::hand_over() {
  if (open_.builder.records() > 0) give();
}

void LogWriter::commit() {
  if (open_.builder.records() == 0 && !in_turn_) return;
  open_.ends_turn = true;
  give();
}

void LogWriter::give() {
  in_turn_ = !open_.ends_turn;
  waiting_bytes_.fetch_add(open_.size_bytes(), std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(open_));
    open_ = Batch();
    if (!spare_.empty()) {
      open_.builder = std::move(spare_.back());
      spare_.pop_back();
    }
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

void LogWriter::retire_at_once(std::uint64_t lsn) {
  {
    const std::lock_guard lock(mutex_);
    retire_at_once_ = std::max(retire_at_once_, lsn);
  }
  changed_.notify_one();
}

LogWriter::Progress LogWriter::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

std::optional<Monotonic> LogWriter::sync_began() const {
  const Monotonic::rep since = busy_since_.load(std::memory_order_relaxed);
  if (since == 0) return std::nullopt;
  return Monotonic(Monotonic::duration(since));
}

// --- on the writer's thread ------------------------------------------------------------------------------------------

void LogWriter::take(Round& round) {
  for (Batch& batch : waiting_) round.batches.push_back(std::move(batch));
  waiting_.clear();
  round.retire_below = std::max(round.retire_below, std::exchange(retire_below_, 0));
  round.retire_at_once = std::exchange(retire_at_once_, 0);
}

void LogWriter::run() {
  Round round;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto something = [&] { return stopping_ || !waiting_.empty() || retire_below_ > 0 || retire_at_once_ > 0; };
      if (full_) {
        changed_.wait_for(lock, kTryFullLogEvery, [&] { return stopping_ || retire_at_once_ > 0; });
      } else if (unsynced_) {
        changed_.wait_for(lock, kSyncWithin, something);
      } else {
        changed_.wait(lock, something);
      }
      const bool idle = waiting_.empty() && retire_below_ == 0 && retire_at_once_ == 0 && !unsynced_;
      if (stopping_ && (full_ || failed_ || idle)) break;
      take(round);
    }
    perform(round);
  }
  close();
}

bool LogWriter::work() {
  Round round;
  {
    const std::lock_guard lock(mutex_);
    take(round);
  }
  const bool something = !round.batches.empty() || round.retire_below > 0 || round.retire_at_once > 0 || unsynced_;
  if (!perform(round)) {
    const std::lock_guard lock(mutex_);
    waiting_.insert(waiting_.begin(), std::make_move_iterator(round.batches.begin()),
                    std::make_move_iterator(round.batches.end()));
    retire_below_ = std::max(retire_below_, round.retire_below);
    return false;
  }
  return something;
}

bool LogWriter::perform(Round& round) {
  if (failed_) {
    round = Round();
    unsynced_ = false;
    return true;
  }
  busy_since_.store(std::chrono::steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  const DiskResult<void> written = write(round);
  busy_since_.store(0, std::memory_order_relaxed);
  if (!written && no_room_) {
    set_full(true);
    return false;
  }
  if (!written) {
    fail(written.error());
    return true;
  }
  set_full(false);
  return true;
}

DiskResult<void> LogWriter::write(Round& round) {
  std::vector<Batch> written;
  bool wanted = false;
  no_room_ = false;
  DiskResult<void> outcome;
  bool news = false;
  if (round.retire_at_once > 0) {
    if (auto done = log_->retire_below(std::exchange(round.retire_at_once, 0)); !done) return done;
    news = true;
  }
  for (Batch& batch : round.batches) {
    if (const std::size_t bytes = batch.size_bytes(); bytes > 0) {
      outcome = log_->make_room(bytes);
      no_room_ = !outcome && is_full(outcome.error());
      if (no_room_) break;
      if (!outcome) return outcome;
      if (auto put = log_->write(batch.builder); !put) return tl::unexpected(put.error());
      waiting_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
      unsynced_ = true;
    }
    turn_wants_sync_ = turn_wants_sync_ || batch.sync;
    if (batch.ends_turn) {
      wanted = std::exchange(turn_wants_sync_, false) || wanted;
      done_lsn_ = log_->last_lsn();
    }
    written.push_back(std::move(batch));
  }
  round.batches.erase(round.batches.begin(), round.batches.begin() + static_cast<std::ptrdiff_t>(written.size()));
  // Nothing new to write: what waits for its sync has waited long enough.
  if (wanted || (written.empty() && unsynced_)) {
    if (auto done = sync(); !done) return done;
    news = true;
  }
  news = news || !written.empty();
  done(std::move(written));
  if (round.retire_below > 0 && round.batches.empty()) {
    outcome = log_->anchor();
    no_room_ = !outcome && is_full(outcome.error());
    if (!outcome && !no_room_) return outcome;
    if (outcome) {
      unsynced_ = false;
      if (auto done = log_->retire_below(std::exchange(round.retire_below, 0)); !done) return done;
      news = true;
    }
  }
  if (news) {
    publish_progress();
    events_.progress();
  }
  return outcome;
}

DiskResult<void> LogWriter::sync() {
  if (auto done = log_->sync(); !done) return done;
  unsynced_ = false;
  return {};
}

void LogWriter::done(std::vector<Batch> batches) {
  const std::lock_guard lock(mutex_);
  for (Batch& batch : batches) {
    if (spare_.size() < kSpareBuilders) spare_.push_back(std::move(batch.builder));
  }
}

void LogWriter::publish_progress() {
  const std::lock_guard lock(mutex_);
  progress_ = {done_lsn_, log_->durable_lsn(), log_->oldest_last_lsn(), log_->bytes()};
}

void LogWriter::set_full(bool full) {
  if (std::exchange(full_, full) != full && events_.full) events_.full(full);
}

void LogWriter::fail(const DiskError& error) {
  failed_ = true;
  events_.failed(error);
}

void LogWriter::close() {
  if (failed_ || full_) return;
  if (auto done = log_->close(); !done) fail(done.error());
}

}  // namespace wherry::broker

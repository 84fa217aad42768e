// The schedule as the shard sees it; its background work is in schedule_background.cpp.
#include "broker/store/schedule.h"

#include <algorithm>
#include <random>

#include "base/assert.h"
#include "broker/routing/vhost.h"

namespace wherry::broker {
namespace {

constexpr std::uint64_t kReadAheadMs = 1000;
constexpr std::size_t kReadAheadRuns = 4;  // In one turn.

bool later(const ScheduleEntry& a, const ScheduleEntry& b) {
  return a.key > b.key;
}

bool earlier(const ScheduleEntry& a, const ScheduleEntry& b) {
  return a.key < b.key;
}

}  // namespace

// --- life ------------------------------------------------------------------------------------------------------------

DiskResult<std::unique_ptr<Schedule>> Schedule::open(Vfs& disk, ScheduleLog& log, Options options, Events events) {
  if (!options.random) {
    options.random = [] {
      std::random_device device;
      return std::uint64_t{device()} << 32 | device();
    };
  }
  std::unique_ptr<Schedule> schedule(new Schedule(disk, log, std::move(options), std::move(events)));
  if (auto done = schedule->open_runs(); !done) return tl::unexpected(done.error());
  return schedule;
}

DiskResult<void> Schedule::open_runs() {
  const std::string& folder = options_.folder;
  // Names first: what is read below must not go away in a power cut that follows.
  if (auto done = disk_.sync_folder(folder); !done) return done;
  const auto names = disk_.list(folder);
  if (!names) return tl::unexpected(names.error());
  std::vector<RunFile> found;
  std::set<std::uint64_t> replaced;
  for (const std::string& name : *names) {
    const auto number = run_number(name, ".run");
    for (const std::string_view ending : {".run", ".run.new", ".run.damaged"}) {
      if (const auto used = run_number(name, ending)) next_number_ = std::max(next_number_, *used + 1);
    }
    // Being written when the broker ended: its messages are still in the log, or in the runs it would have replaced.
    if (run_number(name, ".run.new")) {
      if (auto done = disk_.remove(folder + "/" + name); !done) return done;
    }
    if (!number) continue;
    auto run = open_run(disk_, folder, *number, events_.damaged);
    if (!run) return tl::unexpected(run.error());
    if (!*run) {
      const std::string path = folder + "/" + name;
      if (auto done = disk_.rename(path, path + ".damaged"); !done) return done;
      continue;
    }
    replaced.insert((*run)->header.replaces.begin(), (*run)->header.replaces.end());
    found.push_back(std::move(**run));
  }
  for (RunFile& run : found) {
    flushed_sequence_ = std::max(flushed_sequence_, run.header.last_sequence);
    if (replaced.contains(run.header.number)) {
      if (auto done = disk_.remove(run.path); !done) return done;
    } else {
      add_run(std::move(run));
    }
  }
  next_sequence_ = flushed_sequence_ + 1;
  return disk_.sync_folder(folder);
}

bool Schedule::replay(ScheduleRecord type, Lsn lsn, std::string_view payload) {
  if (type == ScheduleRecord::scheduled) {
    const auto scheduled = decode_scheduled(payload);
    if (!scheduled) return false;
    next_sequence_ = std::max(next_sequence_, scheduled->key.sequence + 1);
    if (scheduled->key.sequence <= flushed_sequence_) return true;
    remember({scheduled->key, lsn, interned(scheduled->vhost), message_of(*scheduled), scheduled->queue});
  } else if (type == ScheduleRecord::fired) {
    const auto watermark = decode_fired(payload);
    if (!watermark) return false;
    fired_ = std::max(fired_, watermark->fired);
    fired_lsn_ = lsn;
    next_sequence_ = std::max({next_sequence_, watermark->next_sequence, fired_.sequence + 1});
  } else if (type == ScheduleRecord::dropped) {
    auto drop = decode_dropped(payload);
    if (!drop) return false;
    next_sequence_ = std::max(next_sequence_, drop->sequence + 1);
    forget([&](const ScheduleEntry& entry) {
      return entry.key.sequence <= drop->sequence && entry.queue == 0 && entry.message->exchange() == drop->exchange &&
             *entry.vhost == drop->vhost;
    });
    drops_.add(*drop, lsn);
  } else {
    const auto withdrawal = decode_withdrawn(payload);
    if (!withdrawal) return false;
    next_sequence_ = std::max(next_sequence_, withdrawal->key.sequence + 1);
    drops_.add(*withdrawal, lsn);
    forget([&](const ScheduleEntry& entry) { return drops_.covers(entry.key, entry.queue, {}, {}); });
  }
  return true;
}

void Schedule::replay_released(Lsn lsn, QueueId queue, ScheduleKey key) {
  next_sequence_ = std::max(next_sequence_, key.sequence + 1);
  drops_.add(ScheduleWithdrawal{queue, key}, lsn);
}

void Schedule::recovered() {
  taken_ = given_ = fired_durably_ = fired_;
  drops_.end_of_life(next_sequence_);
  std::erase_if(memory_, [&](const ScheduleEntry& entry) {
    const bool gone =
        entry.key <= fired_ || drops_.covers(entry.key, entry.queue, *entry.vhost, entry.message->exchange());
    if (gone) {
      entries_bytes_ -= entry.memory_bytes();
      count_held(entry.queue, -1);
    }
    return gone;
  });
  std::make_heap(memory_.begin(), memory_.end(), later);
  for (const auto& run : runs_) run->cursor.seek_after(taken_);
  count_runs();
  if (entries_bytes_ > options_.memtable_bytes) freeze();
  start_jobs();
}

// --- what waits ------------------------------------------------------------------------------------------------------

const std::string* Schedule::interned(std::string_view vhost) {
  auto found = vhosts_.find(vhost);
  if (found == vhosts_.end()) found = vhosts_.emplace(vhost).first;
  return &*found;
}

void Schedule::remember(ScheduleEntry entry) {
  if (entry.lsn != 0 && (oldest_lsn_ == 0 || memory_.empty())) oldest_lsn_ = entry.lsn;
  if (entry.queue != 0) {
    count_held(entry.queue, +1);
  } else if (entry.message->exchange() != last_exchange_) {
    last_exchange_ = entry.message->exchange();
    exchanges_.insert(last_exchange_);
  }
  entries_bytes_ += entry.memory_bytes();
  memory_.push_back(std::move(entry));
  std::push_heap(memory_.begin(), memory_.end(), later);
}

Lsn Schedule::add(std::string_view vhost, MessageRef message, std::uint64_t due_ms, Durability durability) {
  return enter(vhost, std::move(message), due_ms, durability, 0);
}

Lsn Schedule::enter(std::string_view vhost, MessageRef message, std::uint64_t due_ms, Durability durability,
                    QueueId queue) {
  // Behind the watermark, whatever the clock says.
  const ScheduleKey key{std::max(due_ms, taken_.due_ms), next_sequence_++};
  Lsn lsn = 0;
  if (message->persistent() && (queue & not_durable) == 0) {
    payload_.clear();
    encode_scheduled(payload_, key, vhost, *message, queue);
    lsn = log_.append(ScheduleRecord::scheduled, payload_, durability);
    if (payload_.capacity() > kRunBlockBytes) std::string().swap(payload_);
  }
  remember({key, lsn, interned(vhost), std::move(message), queue});
  if (entries_bytes_ > options_.memtable_bytes) {
    freeze();
    start_jobs();
  }
  return durability == Durability::none ? 0 : lsn;
}

ScheduleEntries Schedule::forget(const std::function<bool(const ScheduleEntry&)>& which) {
  const auto gone = std::partition(memory_.begin(), memory_.end(), std::not_fn(which));
  ScheduleEntries forgotten(std::make_move_iterator(gone), std::make_move_iterator(memory_.end()));
  memory_.erase(gone, memory_.end());
  for (const ScheduleEntry& entry : forgotten) {
    entries_bytes_ -= entry.memory_bytes();
    count_held(entry.queue, -1);
  }
  if (!forgotten.empty()) std::make_heap(memory_.begin(), memory_.end(), later);
  return forgotten;
}

bool Schedule::needs_drop(std::uint64_t sequence) const {
  const auto older = [&](const auto& part) { return part.first_sequence <= sequence; };
  // What is doomed may yet have to go to a run.
  return std::any_of(doomed_.begin(), doomed_.end(),
                     [&](const Doomed& one) { return one.entry.key.sequence <= sequence; }) ||
         std::any_of(frozen_.begin(), frozen_.end(), older) || std::any_of(removing_.begin(), removing_.end(), older) ||
         std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) { return older(run->cursor.run().header); });
}

void Schedule::drop(std::string_view vhost, std::string_view exchange) {
  // What older runs hold is not known.
  if (!exchanges_.contains(exchange) && !needs_drop(flushed_sequence_)) return;
  const ScheduleDrop what{next_sequence_ - 1, std::string(vhost), std::string(exchange)};
  ScheduleEntries gone = forget([&](const ScheduleEntry& entry) {
    return entry.queue == 0 && entry.message->exchange() == exchange && *entry.vhost == vhost;
  });
  if (gone.empty() && !needs_drop(what.sequence)) return;
  const Lsn lsn = log_.append(ScheduleRecord::dropped, encode_dropped(what), Durability::none);
  drops_.add(what, lsn);
  doom(std::move(gone), lsn);
}

void Schedule::doom(ScheduleEntries entries, Lsn drop_lsn) {
  for (ScheduleEntry& entry : entries) {
    if (entry.lsn != 0) doomed_.push_back({std::move(entry), drop_lsn});
  }
}

// --- what is due -----------------------------------------------------------------------------------------------------

std::optional<std::uint64_t> Schedule::next_wake() const {
  std::optional<std::uint64_t> next;
  const auto consider = [&](std::uint64_t at) { next = std::min(next.value_or(at), at); };
  if (!memory_.empty()) consider(memory_.front().key.due_ms);
  for (const Frozen& frozen : frozen_) {
    if (!frozen.at_end()) consider((*frozen.entries)[frozen.next].key.due_ms);
  }
  for (const auto& run : runs_) {
    if (run->cursor.at_end()) continue;
    const std::uint64_t due_ms = run->cursor.key().due_ms;
    consider(run->read_ahead ? due_ms : due_ms - std::min(due_ms, kReadAheadMs));
  }
  return next;
}

std::optional<Schedule::Source> Schedule::next_source() const {
  std::optional<Source> least;
  if (!memory_.empty()) least = Source{.key = memory_.front().key};
  for (std::size_t at = 0; at < frozen_.size(); ++at) {
    if (frozen_[at].at_end()) continue;
    const ScheduleKey key = (*frozen_[at].entries)[frozen_[at].next].key;
    if (!least || key < least->key) least = Source{.key = key, .frozen = at + 1};
  }
  for (std::size_t at = 0; at < runs_.size(); ++at) {
    const RunCursor& cursor = runs_[at]->cursor;
    if (!cursor.at_end() && (!least || cursor.key() < least->key)) least = Source{.key = cursor.key(), .run = at + 1};
  }
  return least;
}

std::optional<Schedule::Due> Schedule::take(const Source& from) {
  if (from.run != 0) {
    must_log_ = true;
    const auto entry = runs_[from.run - 1]->cursor.take();
    if (!entry || drops_.covers(from.key, entry->queue, entry->vhost, entry->exchange)) return std::nullopt;
    return Due{from.key, *interned(entry->vhost), message_of(*entry), entry->queue};
  }
  if (from.frozen != 0) {
    must_log_ = true;
    Frozen& frozen = frozen_[from.frozen - 1];
    const ScheduleEntry& entry = (*frozen.entries)[frozen.next++];
    if (drops_.covers(from.key, entry.queue, *entry.vhost, entry.message->exchange())) return std::nullopt;
    return Due{from.key, *entry.vhost, Message::restamped(entry.message, from.key.due_ms), entry.queue};
  }
  std::pop_heap(memory_.begin(), memory_.end(), later);
  ScheduleEntry entry = std::move(memory_.back());
  memory_.pop_back();
  entries_bytes_ -= entry.memory_bytes();
  Due due{from.key, *entry.vhost, Message::restamped(entry.message, from.key.due_ms), entry.queue};
  if (entry.lsn != 0) {
    must_log_ = true;
    under_way_.push_back(std::move(entry));
  }
  return due;
}

void Schedule::read_ahead(std::uint64_t now_ms) {
  std::size_t read = 0;
  for (const auto& run : runs_) {
    if (run->cursor.at_end()) continue;
    const bool soon = run->cursor.key().due_ms <= now_ms + kReadAheadMs;
    if (soon && !run->read_ahead && read < kReadAheadRuns) {
      run->cursor.load();
      run->read_ahead = true;
      ++read;
    } else if (!soon) {
      run->cursor.release();
      run->read_ahead = false;
    }
  }
}

bool Schedule::take_due(std::uint64_t now_ms, std::vector<Due>& into) {
  tidy();
  const std::uint64_t until_ms = std::max(now_ms, taken_.due_ms);
  const ScheduleKey before = taken_;
  const std::size_t given_before = into.size();
  std::size_t bytes = 0;
  std::optional<Source> next = next_source();
  for (std::size_t visited = 0; next && next->key.due_ms <= until_ms; ++visited) {
    if (visited == options_.turn_messages || bytes >= options_.turn_bytes) break;
    // In two runs: written twice, because the disk could not say that it was there.
    const bool again = next->key <= taken_;
    taken_ = next->key;
    if (auto due = take(*next); due && !again) {
      given_ = taken_;
      bytes += due->message->footprint();
      count_held(due->queue, -1);
      into.push_back(std::move(*due));
    }
    next = next_source();
  }
  read_ahead(now_ms);
  // Nothing but what was dropped or damaged: nobody will say that it has fired.
  if (into.size() == given_before && taken_ != before && fired_ == before) fired(taken_);
  return next && next->key.due_ms <= until_ms;
}

void Schedule::fired(ScheduleKey up_to) {
  WHERRY_ASSERT(up_to >= fired_ && up_to <= taken_);
  // What was passed over behind the last message is done with it.
  fired_ = up_to >= given_ ? taken_ : up_to;
  if (must_log_) {
    log_watermark();
  } else {
    fired_waiting_.push_back({fired_, 0});
  }
  if (fired_ == taken_) must_log_ = false;
  tidy();
}

void Schedule::log_watermark() {
  fired_lsn_ = log_.append(ScheduleRecord::fired, encode_fired({fired_, next_sequence_}), Durability::none);
  fired_waiting_.push_back({fired_, fired_lsn_});
}

void Schedule::tidy() {
  const Lsn durable = log_.durable();
  while (!fired_waiting_.empty() && fired_waiting_.front().lsn <= durable) {
    fired_durably_ = fired_waiting_.front().key;
    fired_waiting_.pop_front();
  }
  while (!under_way_.empty() && under_way_.front().key <= fired_durably_) under_way_.pop_front();
  while (!doomed_.empty() && doomed_.front().drop_lsn <= durable) doomed_.pop_front();
  start_jobs();
}

// --- towards the disk ------------------------------------------------------------------------------------------------

void Schedule::freeze() {
  // What was taken and is not durably fired goes along, and what is not durably dropped: of everything that is older
  // than itself a run says that its record is not needed.
  ScheduleEntries entries = std::exchange(memory_, {});
  entries.insert(entries.end(), std::make_move_iterator(under_way_.begin()), std::make_move_iterator(under_way_.end()));
  under_way_.clear();
  for (Doomed& doomed : doomed_) entries.push_back(std::move(doomed.entry));
  doomed_.clear();
  entries_bytes_ = 0;
  oldest_lsn_ = 0;
  if (entries.empty()) return;
  std::sort(entries.begin(), entries.end(), earlier);
  Frozen frozen;
  frozen.last_sequence = next_sequence_ - 1;
  frozen.first_sequence = frozen.last_sequence;
  for (const ScheduleEntry& entry : entries) {
    frozen.first_sequence = std::min(frozen.first_sequence, entry.key.sequence);
    if (entry.lsn != 0) frozen.first_lsn = frozen.first_lsn == 0 ? entry.lsn : std::min(frozen.first_lsn, entry.lsn);
    frozen.bytes += entry.memory_bytes();
    frozen.holds = frozen.holds || entry.queue != 0;
    if (entry.key <= taken_) ++frozen.next;
  }
  frozen.entries = std::make_shared<const ScheduleEntries>(std::move(entries));
  frozen_.push_back(std::move(frozen));
}

bool Schedule::release_up_to(Lsn lsn) {
  tidy();
  if (fired_lsn_ != 0 && fired_lsn_ <= lsn) log_watermark();
  drops_.renew(
      lsn,
      {.needed = [&](ScheduleKey key) { return (key.due_ms == 0 || key > fired_durably_) && needs_drop(key.sequence); },
       .drop =
           [&](const ScheduleDrop& drop) {
             return log_.append(ScheduleRecord::dropped, encode_dropped(drop), Durability::none);
           },
       .withdraw =
           [&](const ScheduleWithdrawal& withdrawal) {
             return log_.append(ScheduleRecord::withdrawn, encode_withdrawn(withdrawal), Durability::none);
           }});
  if (oldest_lsn_ != 0 && oldest_lsn_ <= lsn) {
    oldest_lsn_ = 0;
    for (const ScheduleEntry& entry : memory_) {
      if (entry.lsn != 0) oldest_lsn_ = oldest_lsn_ == 0 ? entry.lsn : std::min(oldest_lsn_, entry.lsn);
    }
    if (oldest_lsn_ != 0 && oldest_lsn_ <= lsn) freeze();
  }
  start_jobs();
  return !needs_up_to(lsn);
}

bool Schedule::needs_up_to(Lsn lsn) const {
  const auto needed = [&](Lsn first) { return first != 0 && first <= lsn; };
  return needed(fired_lsn_) || needed(oldest_lsn_) || drops_.needs_up_to(lsn) ||
         std::any_of(frozen_.begin(), frozen_.end(), [&](const Frozen& one) { return needed(one.first_lsn); }) ||
         std::any_of(under_way_.begin(), under_way_.end(), [&](const auto& one) { return needed(one.lsn); }) ||
         std::any_of(doomed_.begin(), doomed_.end(), [&](const auto& one) { return needed(one.entry.lsn); });
}

std::uint64_t Schedule::size() const {
  std::uint64_t waiting = memory_.size();
  for (const Frozen& frozen : frozen_) waiting += frozen.entries->size() - frozen.next;
  for (const auto& run : runs_) waiting += run->cursor.remaining();
  return waiting;
}

std::size_t Schedule::memory_bytes() const {
  std::size_t bytes = entries_bytes_;
  for (const ScheduleEntry& entry : under_way_) bytes += entry.memory_bytes();
  for (const Doomed& doomed : doomed_) bytes += doomed.entry.memory_bytes();
  for (const Frozen& frozen : frozen_) bytes += frozen.bytes;
  for (const auto& run : runs_) bytes += sizeof(Run) + run->cursor.memory_bytes();
  return bytes;
}

}  // namespace wherry::broker

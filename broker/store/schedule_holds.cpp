// What the schedule holds for queues: counted, listed, taken back.
#include <algorithm>

#include "broker/queueing/held_message.h"
#include "broker/store/schedule.h"

namespace wherry::broker {

Lsn Schedule::hold(QueueId queue, MessageRef message, std::uint64_t due_ms, Durability durability) {
  return enter({}, std::move(message), due_ms, durability, queue);
}

// --- counting --------------------------------------------------------------------------------------------------------

void Schedule::count_held(QueueId queue, std::int64_t by) {
  if (queue == 0) return;
  const auto found = held_.try_emplace(queue).first;
  found->second += by;
  if (found->second == 0) held_.erase(found);
}

std::uint64_t Schedule::held(QueueId queue) const {
  const auto found = held_.find(queue);
  // Below 0 while runs are being counted of which something has fired since.
  return found == held_.end() ? 0 : static_cast<std::uint64_t>(std::max<std::int64_t>(found->second, 0));
}

void Schedule::count_runs() {
  counted_ = std::none_of(runs_.begin(), runs_.end(), [](const auto& run) { return run->cursor.run().header.holds; });
  if (counted_) return;
  search({.query = {}, .after = taken_, .finished = [this](HeldSearch& runs) {
            for (const auto& [queue, count] : runs.counts()) {
              if (!dropped_uncounted_.contains(queue)) count_held(queue, static_cast<std::int64_t>(count));
            }
            counted_ = true;
            dropped_uncounted_.clear();
          }});
}

// --- searches: one at a time -----------------------------------------------------------------------------------------

void Schedule::search(Search what) {
  searches_.push_back(std::move(what));
  if (searches_.size() == 1) next_search();
}

// What is in memory now is found at once. It may be in a run, or have fired, when those runs have been read that there
// are now: finish_search() looks again.
void Schedule::next_search() {
  const Search& next = searches_.front();
  const ScheduleKey behind = std::max(next.after, taken_);
  std::vector<RunFile> inputs;
  for (const auto& run : runs_) {
    if (run->cursor.run().header.holds && !run->cursor.at_end()) inputs.push_back(run->cursor.run());
  }
  const bool reads = !inputs.empty();
  search_ = std::make_shared<HeldSearch>(disk_, next.query, std::move(inputs), behind, drops_);
  std::vector<HeldMessage> in_memory;
  const auto consider = [&](const ScheduleEntry& entry) {
    if (entry.key <= behind || entry.queue == 0) return;
    next.query.consider(entry.key, entry.queue, entry.message->properties(), entry.message->body().size(),
                        entry.message->persistent(), in_memory);
  };
  if (next.query.queue != 0) {
    std::for_each(memory_.begin(), memory_.end(), consider);
    for (const Frozen& frozen : frozen_) std::for_each(frozen.entries->begin(), frozen.entries->end(), consider);
  }
  searches_.front().finished = [in_memory = std::move(in_memory),
                                finished = std::move(searches_.front().finished)](HeldSearch& done) {
    done.found().insert(done.found().end(), in_memory.begin(), in_memory.end());
    finished(done);
  };
  if (reads) {
    step_search();
  } else {
    finish_search();
  }
}

void Schedule::step_search() {
  auto done = std::make_shared<bool>(false);
  events_.start([this, done, search = search_] { *done = search->step(options_.merge_step_bytes); },
                [this, done] {
                  if (!*done) return step_search();
                  finish_search();
                  tidy();
                });
}

void Schedule::finish_search() {
  const std::shared_ptr<HeldSearch> done = std::move(search_);
  search_.reset();
  const auto finished = std::move(searches_.front().finished);
  searches_.pop_front();
  finished(*done);
  // Not the one that finished() has begun.
  if (!searches_.empty() && !search_) next_search();
}

void Schedule::browse(const std::function<void(const Due&)>& visit) const {
  std::vector<const ScheduleEntry*> all;
  for (const ScheduleEntry& entry : memory_) all.push_back(&entry);
  for (const Frozen& frozen : frozen_) {
    for (std::size_t at = frozen.next; at < frozen.entries->size(); ++at) all.push_back(&(*frozen.entries)[at]);
  }
  std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->key < b->key; });
  for (const ScheduleEntry* entry : all) {
    const std::string_view vhost = entry->vhost == nullptr ? std::string_view() : *entry->vhost;
    if (drops_.covers(entry->key, entry->queue, vhost, entry->message->exchange())) continue;
    visit({entry->key, vhost, entry->message, entry->queue});
  }
}

// --- for people ------------------------------------------------------------------------------------------------------

void Schedule::list_held(QueueId queue, ScheduleKey after, std::size_t limit, std::function<void(HeldPage)> reply) {
  limit = std::clamp<std::size_t>(limit, 1, SIZE_MAX - 1);
  search({.query = {.queue = queue, .limit = limit + 1},
          .after = after,
          .finished = [this, queue, limit, reply = std::move(reply)](HeldSearch& done) {
            HeldPage page;
            page.messages = std::move(done.found());
            std::sort(page.messages.begin(), page.messages.end(),
                      [](const HeldMessage& a, const HeldMessage& b) { return a.key < b.key; });
            // Beyond these something may be missing that the runs have.
            if (page.messages.size() > limit) {
              page.messages.resize(limit);
              page.next = page.messages.back().key;
            }
            std::erase_if(page.messages, [&](const HeldMessage& one) {
              return one.key <= taken_ || drops_.covers(one.key, queue, {}, {});
            });
            reply(std::move(page));
          }});
}

void Schedule::cancel_held(QueueId queue, std::string name, std::function<void(std::vector<HeldMessage>, Lsn)> reply) {
  search({.query = {.queue = queue, .name = std::move(name)},
          .after = {},
          .finished = [this, queue, reply = std::move(reply)](HeldSearch& done) {
            Lsn lsn = 0;
            std::vector<HeldMessage> gone = withdraw(queue, std::move(done.found()), lsn);
            reply(std::move(gone), lsn);
          }});
}

// Of what was found, that which has not fired and was not taken back meanwhile.
std::vector<HeldMessage> Schedule::withdraw(QueueId queue, std::vector<HeldMessage> found, Lsn& lsn) {
  std::erase_if(found,
                [&](const HeldMessage& one) { return one.key <= taken_ || drops_.covers(one.key, queue, {}, {}); });
  std::set<ScheduleKey> keys;
  for (const HeldMessage& one : found) {
    keys.insert(one.key);
    const ScheduleWithdrawal what{queue, one.key};
    lsn = log_.append(ScheduleRecord::withdrawn, encode_withdrawn(what), Durability::sync);
    drops_.add(what, lsn);
  }
  ScheduleEntries gone = forget([&](const ScheduleEntry& entry) { return keys.contains(entry.key); });
  count_held(queue, static_cast<std::int64_t>(gone.size()) - static_cast<std::int64_t>(found.size()));
  doom(std::move(gone), lsn);
  return found;
}

std::uint64_t Schedule::drop_held(QueueId queue) {
  if (!held_.contains(queue) && counted_) return 0;
  const std::uint64_t known = held(queue);
  ScheduleEntries gone = forget([&](const ScheduleEntry& entry) { return entry.queue == queue; });
  held_.erase(queue);
  if (!counted_) dropped_uncounted_.insert(queue);
  const ScheduleWithdrawal what{queue, {0, next_sequence_ - 1}};
  const Lsn lsn = log_.append(ScheduleRecord::withdrawn, encode_withdrawn(what), Durability::none);
  drops_.add(what, lsn);
  doom(std::move(gone), lsn);
  return known;
}

}  // namespace wherry::broker

#include "broker/session/transaction.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace wherry::broker {

namespace {

std::size_t size_of(const Transaction::Publish& publish) {
  return sizeof(publish) + publish.queues.size() * sizeof(QueueEntryRef) + publish.message->footprint();
}

std::size_t consumed_in(const std::vector<Unsettled::Entry>& entries) {
  return static_cast<std::size_t>(
      std::count_if(entries.begin(), entries.end(), [](const auto& entry) { return entry.consumer != 0; }));
}

void move_entries(std::vector<Transaction::Settled>& from, std::vector<Unsettled::Entry>& to) {
  for (Transaction::Settled& settled : from) {
    std::move(settled.entries.begin(), settled.entries.end(), std::back_inserter(to));
  }
  from.clear();
}

}  // namespace

bool Transaction::hold(Publish publish) {
  const std::size_t size = size_of(publish);
  if (bytes_ > 0 && bytes_ + size > TransactionRoom::most_for_one) return false;
  if (room_.held_ > 0 && room_.held_ + size > TransactionRoom::most_for_all) return false;
  bytes_ += size;
  room_.held_ += size;
  publishes_.push_back(std::move(publish));
  return true;
}

void Transaction::hold(Settlement how, std::vector<Unsettled::Entry> entries) {
  consumed_ += consumed_in(entries);
  if (settled_.empty() || settled_.back().how != how) {
    settled_.push_back({how, std::move(entries)});
  } else {
    std::move(entries.begin(), entries.end(), std::back_inserter(settled_.back().entries));
  }
}

void Transaction::drop_publishes() {
  room_.held_ -= std::exchange(bytes_, 0);
  publishes_.clear();
}

std::vector<Transaction::Publish> Transaction::take_publishes() {
  std::vector<Publish> all = std::move(publishes_);
  drop_publishes();
  return all;
}

void Transaction::commit(std::uint64_t tag) {
  commits_.push_back({tag, false, true, std::exchange(settled_, {})});
}

std::vector<Unsettled::Entry> Transaction::roll_back() {
  drop_publishes();
  uncount(settled_);
  std::vector<Unsettled::Entry> back;
  move_entries(settled_, back);
  return back;
}

std::vector<Transaction::Settled> Transaction::take_near(unsigned shard) {
  WHERRY_ASSERT(!commits_.empty());
  std::vector<Settled> near;
  for (Settled& settled : commits_.back().settled) {
    auto far = std::stable_partition(settled.entries.begin(), settled.entries.end(),
                                     [shard](const auto& entry) { return entry.queue->home == shard; });
    if (far == settled.entries.begin()) continue;
    near.push_back({settled.how, {std::move_iterator(settled.entries.begin()), std::move_iterator(far)}});
    settled.entries.erase(settled.entries.begin(), far);
  }
  uncount(near);
  return near;
}

void Transaction::complete(std::uint64_t tag, bool multiple, bool ok) {
  for (Commit& commit : commits_) {
    if (commit.tag > tag) break;
    if (commit.complete || (!multiple && commit.tag != tag)) continue;
    commit.complete = true;
    commit.ok = ok;
  }
}

std::optional<Transaction::Outcome> Transaction::take_complete() {
  if (commits_.empty() || !commits_.front().complete) return std::nullopt;
  // What a failed one would have settled stays with it: the channel ends, and gets it back from abandon().
  if (!commits_.front().ok) return Outcome{false, {}};
  Outcome outcome{true, std::move(commits_.front().settled)};
  commits_.pop_front();
  uncount(outcome.settled);
  return outcome;
}

std::vector<Unsettled::Entry> Transaction::abandon() {
  std::vector<Unsettled::Entry> back = roll_back();
  for (Commit& commit : commits_) move_entries(commit.settled, back);
  commits_.clear();
  consumed_ = 0;
  return back;
}

void Transaction::uncount(const std::vector<Settled>& settled) {
  for (const Settled& each : settled) consumed_ -= consumed_in(each.entries);
}

}  // namespace wherry::broker

#include "broker/session/unsettled.h"

#include <algorithm>

namespace wherry::broker {

std::uint64_t Unsettled::add(QueueEntryRef queue, ConsumerKey consumer, const DeliveryId& delivery,
                             std::uint64_t bytes) {
  entries_.push_back({++last_tag_, std::move(queue), consumer, delivery.position, delivery.count, false, bytes});
  ++open_;
  if (consumer != 0) ++consumed_;
  return last_tag_;
}

void Unsettled::settle(Entry& entry) {
  entry.settled = true;
  --open_;
  if (entry.consumer != 0) --consumed_;
}

void Unsettled::drop_settled_front() {
  while (!entries_.empty() && entries_.front().settled) entries_.pop_front();
}

Unsettled::Entry* Unsettled::find(std::uint64_t tag) {
  if (entries_.empty() || tag < entries_.front().tag || tag > entries_.back().tag) return nullptr;
  // Where no delivery went without an ack, its place follows from its tag.
  const std::uint64_t place = tag - entries_.front().tag;
  if (place < entries_.size() && entries_[place].tag == tag)
    return entries_[place].settled ? nullptr : &entries_[place];
  auto found = std::lower_bound(entries_.begin(), entries_.end(), tag,
                                [](const Entry& entry, std::uint64_t wanted) { return entry.tag < wanted; });
  return found->tag == tag && !found->settled ? &*found : nullptr;
}

bool Unsettled::take(std::uint64_t tag, bool multiple, std::vector<Entry>& into) {
  if (multiple) {
    if (tag == 0) {
      into = take_all();
      return true;
    }
    // RabbitMQ takes "multiple up to a tag" for an error when that tag itself is not open.
    if (find(tag) == nullptr) return false;
    while (!entries_.empty() && entries_.front().tag <= tag) {
      Entry& front = entries_.front();
      if (!front.settled) {
        settle(front);
        into.push_back(std::move(front));
      }
      entries_.pop_front();
    }
    drop_settled_front();
    return true;
  }
  Entry* found = find(tag);
  if (found == nullptr) return false;
  settle(*found);
  into.push_back(std::move(*found));
  drop_settled_front();
  return true;
}

std::vector<Unsettled::Entry> Unsettled::take_all() {
  std::vector<Entry> all;
  all.reserve(open_);
  for (Entry& entry : entries_) {
    if (!entry.settled) all.push_back(std::move(entry));
  }
  entries_.clear();
  open_ = consumed_ = 0;
  return all;
}

void Unsettled::put_back(std::vector<Entry> entries) {
  if (entries.empty()) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.tag < b.tag; });
  std::deque<Entry> merged;
  for (Entry& entry : entries) {
    while (!entries_.empty() && entries_.front().tag < entry.tag) {
      merged.push_back(std::move(entries_.front()));
      entries_.pop_front();
    }
    // Taken from between others, it has left its place behind.
    if (!entries_.empty() && entries_.front().tag == entry.tag) entries_.pop_front();
    entry.settled = false;
    ++open_;
    if (entry.consumer != 0) ++consumed_;
    merged.push_back(std::move(entry));
  }
  std::move(entries_.begin(), entries_.end(), std::back_inserter(merged));
  entries_ = std::move(merged);
}

std::uint64_t bytes_of(const std::vector<Unsettled::Entry>& entries) {
  std::uint64_t bytes = 0;
  for (const Unsettled::Entry& each : entries) bytes += each.bytes;
  return bytes;
}

void settle_all(Host& host, const std::vector<Unsettled::Entry>& entries, Settlement how) {
  if (entries.size() == 1) {
    const SettledDelivery delivery = entries[0].settled_delivery();
    return host.settle(entries[0].queue, how, {&delivery, 1});
  }
  std::vector<const Unsettled::Entry*> by_queue;
  by_queue.reserve(entries.size());
  for (const Unsettled::Entry& entry : entries) by_queue.push_back(&entry);
  const auto before = [](const auto* a, const auto* b) { return a->queue->id < b->queue->id; };
  if (!std::is_sorted(by_queue.begin(), by_queue.end(), before)) {
    std::stable_sort(by_queue.begin(), by_queue.end(), before);
  }
  std::vector<SettledDelivery> deliveries;
  deliveries.reserve(entries.size());
  for (auto first = by_queue.begin(); first != by_queue.end();) {
    const QueueEntryRef& queue = (*first)->queue;
    deliveries.clear();
    for (; first != by_queue.end() && (*first)->queue == queue; ++first) {
      deliveries.push_back((*first)->settled_delivery());
    }
    host.settle(queue, how, deliveries);
  }
}

}  // namespace wherry::broker

#include "broker/session/unsettled.h"

#include <algorithm>

namespace wherry::broker {

std::uint64_t Unsettled::add(QueueEntryRef queue, ConsumerKey consumer, Position position) {
  entries_.push_back({++last_tag_, std::move(queue), consumer, position, false});
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

bool Unsettled::take(std::uint64_t tag, bool multiple, std::vector<Entry>& into) {
  if (multiple) {
    if (tag == 0) {
      into = take_all();
      return true;
    }
    // RabbitMQ takes "multiple up to a tag" for an error when that tag itself is not open.
    auto found = std::lower_bound(entries_.begin(), entries_.end(), tag,
                                  [](const Entry& entry, std::uint64_t wanted) { return entry.tag < wanted; });
    if (found == entries_.end() || found->tag != tag || found->settled) return false;
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
  auto found = std::lower_bound(entries_.begin(), entries_.end(), tag,
                                [](const Entry& entry, std::uint64_t wanted) { return entry.tag < wanted; });
  if (found == entries_.end() || found->tag != tag || found->settled) return false;
  settle(*found);
  into.push_back(*found);
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

void Unsettled::forget(const QueueEntryRef& queue) {
  for (Entry& entry : entries_) {
    if (!entry.settled && entry.queue == queue) settle(entry);
  }
  drop_settled_front();
}

void settle_all(Host& host, const std::vector<Unsettled::Entry>& entries, Settlement how) {
  if (entries.size() == 1) {
    return host.settle(entries[0].queue, entries[0].consumer, how, {&entries[0].position, 1});
  }
  struct Group {
    const QueueEntryRef* queue;
    ConsumerKey consumer;
    std::vector<Position> positions;
  };
  std::vector<Group> groups;
  for (const Unsettled::Entry& entry : entries) {
    auto group = std::find_if(groups.rbegin(), groups.rend(), [&](const Group& each) {
      return each.consumer == entry.consumer && *each.queue == entry.queue;
    });
    if (group != groups.rend()) {
      group->positions.push_back(entry.position);
    } else {
      groups.push_back({&entry.queue, entry.consumer, {entry.position}});
    }
  }
  for (const Group& group : groups) host.settle(*group.queue, group.consumer, how, group.positions);
}

}  // namespace wherry::broker

// What a DiskStore knows of one queue: the messages whose records are in log files that have not retired, which it
// holds in memory, and the pages of those that are in segments. Plain data and look-ups; the rules are DiskStore's.
//
// Order: positions grow from the first page to the last unretired message; only after a restart there may be unretired
// messages between those of pages (settled, when the pages were written, by a record that was not durable yet).
// Threads: the shard's.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "broker/store/segment.h"

namespace wherry::broker {

// A message whose only safe copy is in the log. Null: settled.
struct UnretiredMessage {
  Position at = no_position;
  MessageRef message;
  Lsn lsn = 0;
  std::uint32_t delivery_count = 0;
};

// By position. Settled ones leave as soon as all before them have left.
class UnretiredMessages {
 public:
  bool empty() const { return messages_.empty(); }
  const UnretiredMessage& front() const { return messages_.front(); }
  const UnretiredMessage& back() const { return messages_.back(); }

  void push(UnretiredMessage message) { messages_.push_back(std::move(message)); }
  // Null where it is not, or is settled.
  UnretiredMessage* find(Position at) {
    if (messages_.empty() || at < messages_.front().at || at > messages_.back().at) return nullptr;
    // Mostly nothing is between them but each other.
    const std::size_t guess = std::min<std::uint64_t>(at - messages_.front().at, messages_.size() - 1);
    auto found = messages_.begin() + static_cast<std::ptrdiff_t>(guess);
    if (found->at != at) found = lower_bound(at);
    return found != messages_.end() && found->at == at && found->message ? &*found : nullptr;
  }
  void drop_settled_front() {
    while (!messages_.empty() && !messages_.front().message) messages_.pop_front();
  }
  void pop_front() { messages_.pop_front(); }
  template <class Visit>
  void each_in(Position first, Position end, Visit&& visit) {
    for (auto at = lower_bound(first); at != messages_.end() && at->at < end; ++at) {
      if (at->message) visit(*at);
    }
  }
  template <class Visit>
  void each(Visit&& visit) const {
    for (const UnretiredMessage& message : messages_) {
      if (message.message) visit(message);
    }
  }
  // Until `visit` says false.
  template <class Visit>
  void each_until(Visit&& visit) const {
    for (const UnretiredMessage& message : messages_) {
      if (!visit(message)) return;
    }
  }

 private:
  std::deque<UnretiredMessage>::iterator lower_bound(Position at) {
    return std::lower_bound(messages_.begin(), messages_.end(), at,
                            [](const UnretiredMessage& message, Position position) { return message.at < position; });
  }
  std::deque<UnretiredMessage> messages_;
};

struct KeptSegment {
  std::unique_ptr<Segment> file;
  std::uint64_t messages = 0;
  std::uint64_t live = 0;
  std::vector<std::pair<QueueId, std::uint64_t>> pages;  // Queue and chunk of each.
  bool rewriting = false;
  bool removing = false;  // Settled as a whole; its pages count until its file is gone for good.
  bool transient = false;
  bool damaged = false;  // Stays as it is: a rewritten one would no longer show what was lost.

  std::uint64_t live_bytes() const { return messages == 0 ? 0 : file->size_bytes() * live / messages; }
  std::uint64_t dead_bytes() const { return file->size_bytes() - live_bytes(); }
};

struct KeptPage {
  std::uint64_t chunk = 0;
  ChunkBits written;
  ChunkBits live;
  KeptSegment* segment = nullptr;
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t index = 0;  // In its segment.
  std::uint32_t expiring = 0;
  bool logged = false;  // The log says what is settled of it.
  std::uint64_t body_bytes = 0;

  // Before it in the order of positions.
  friend bool operator<(const KeptPage& a, const KeptPage& b) {
    return a.chunk != b.chunk ? a.chunk < b.chunk : a.written.first() < b.written.first();
  }
};

struct KeptQueue {
  UnretiredMessages unretired;
  std::deque<KeptPage> pages;                  // By chunk, then position.
  std::map<Position, std::uint32_t> attempts;  // Of messages in pages, as far as they came back since.
  Position highest = no_position;              // No greater one was ever seen on the disk.
  bool claimed = false;                        // A queue that exists has asked for it since the start.
  // Settled in this turn, not in the log yet: [settled_first, settled_end).
  Position settled_first = no_position;
  Position settled_end = no_position;

  std::deque<KeptPage>::iterator first_page(std::uint64_t chunk) {
    return std::lower_bound(pages.begin(), pages.end(), chunk,
                            [](const KeptPage& page, std::uint64_t wanted) { return page.chunk < wanted; });
  }
  template <class Visit>
  void each_page(std::uint64_t chunk, Visit&& visit) {
    for (auto page = first_page(chunk); page != pages.end() && page->chunk == chunk; ++page) visit(*page);
  }
  // The page that has the position, and where it is not settled; null when there is none.
  KeptPage* live_page(Position at) {
    const auto index = static_cast<unsigned>(at % chunk_positions);
    for (auto page = first_page(at / chunk_positions); page != pages.end() && page->chunk == at / chunk_positions;
         ++page) {
      if (page->live.test(index)) return &*page;
    }
    return nullptr;
  }
  bool ever_in_page(Position at) {
    bool found = false;
    each_page(at / chunk_positions, [&](const KeptPage& page) {
      found = found || page.written.test(static_cast<unsigned>(at % chunk_positions));
    });
    return found;
  }
  void insert(KeptPage page) {
    if (pages.empty() || pages.back() < page) {
      pages.push_back(page);
    } else {
      pages.insert(std::upper_bound(pages.begin(), pages.end(), page), page);
    }
  }
};

}  // namespace wherry::broker

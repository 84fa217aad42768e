#include "broker/session/confirms.h"

#include <algorithm>

#include "base/assert.h"

namespace wherry::broker {

std::uint64_t Confirms::add(unsigned far, Lsn durable_at, bool refused) {
  entries_.push_back({durable_at, far, refused, false});
  changed_ = changed_ || far == 0;
  ++open_;
  return first_ + entries_.size() - 1;
}

void Confirms::answer(std::uint64_t tag, bool accepted) {
  if (tag < first_ || tag >= next_tag()) return;
  Entry& entry = entries_[tag - first_];
  WHERRY_ASSERT(entry.far > 0);
  --entry.far;
  entry.refused = entry.refused || !accepted;
  changed_ = changed_ || entry.far == 0;
}

void Confirms::flush(Lsn durable, const Writer& write) {
  if (!changed_ && (waiting_for_ == 0 || durable < waiting_for_)) return;
  changed_ = false;
  waiting_for_ = 0;

  auto complete = [durable](const Entry& entry) { return entry.far == 0 && entry.durable_at <= durable; };
  auto waits = [this, durable](const Entry& entry) {
    if (entry.far == 0 && entry.durable_at > durable) {
      waiting_for_ = waiting_for_ == 0 ? entry.durable_at : std::min(waiting_for_, entry.durable_at);
    }
  };

  // The unbroken run at the front: one ack for as many as have no refusal between them.
  std::uint64_t run_end = 0;    // Highest tag of the run that is to be acked, 0 for none.
  std::uint64_t run_count = 0;  // How many of it were not answered before.
  auto end_run = [&] {
    acked_ += run_count;
    if (run_count > 0) write.ack(run_end, run_count > 1);
    run_end = run_count = 0;
  };
  while (!entries_.empty() && (entries_.front().answered || complete(entries_.front()))) {
    const Entry& entry = entries_.front();
    if (!entry.answered) --open_;
    if (!entry.answered && entry.refused) {
      end_run();
      write.nack(first_);
    } else if (!entry.answered) {
      run_end = first_;
      ++run_count;
    }
    entries_.pop_front();
    ++first_;
  }
  end_run();

  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    if (entry.answered) continue;
    waits(entry);
    if (!complete(entry)) continue;
    entry.answered = true;
    --open_;
    if (entry.refused) {
      write.nack(first_ + i);
    } else {
      ++acked_;
      write.ack(first_ + i, false);
    }
  }
}

}  // namespace wherry::broker

// ReadyLine: ready positions that leave in their own order.
//
// Fresh positions come in order and are kept as runs (one run for a queue without priorities, however long it is);
// positions that came back are few and kept in a heap. A position that comes back is always before the fresh ones,
// since it was among them once. Memory: 16 bytes for each run but the first, 8 for each that came back.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "broker/queueing/front_vector.h"
#include "broker/queueing/message_store.h"

namespace wherry::broker {

class ReadyLine {
 public:
  bool empty() const { return first_.empty() && returned_.empty(); }
  // no_position when there is none.
  Position front() const {
    if (!returned_.empty()) return returned_.front();
    return first_.empty() ? no_position : first_.begin;
  }

  // New positions from begin to before end, greater than all before them.
  void push_run(Position begin, Position end) {
    Run& last = later_ ? later_->back() : first_;
    if (last.end == begin || last.empty()) {
      if (last.end != begin) last.begin = begin;
      last.end = end;
    } else {
      if (!later_) later_ = std::make_unique<FrontVector<Run>>();
      later_->push_back({begin, end});
    }
  }
  void push_back_again(Position at) {
    returned_.push_back(at);
    std::push_heap(returned_.begin(), returned_.end(), std::greater<>());
  }
  // Precondition: not empty().
  void pop() {
    if (!returned_.empty()) {
      std::pop_heap(returned_.begin(), returned_.end(), std::greater<>());
      returned_.pop_back();
      return;
    }
    ++first_.begin;
    if (first_.empty() && later_) next_run();
  }

  // Those of them that are here leave, wherever they stand; sorted. Returns how many.
  std::size_t remove(std::span<const Position> gone) {
    const auto is_gone = [&](Position at) { return std::binary_search(gone.begin(), gone.end(), at); };
    std::size_t removed = std::erase_if(returned_, is_gone);
    if (removed > 0) std::make_heap(returned_.begin(), returned_.end(), std::greater<>());
    std::vector<Run> left;
    const auto thin_out = [&](Run run) {
      auto each = std::lower_bound(gone.begin(), gone.end(), run.begin);
      for (; each != gone.end() && *each < run.end; ++each) {
        if (*each > run.begin) left.push_back({run.begin, *each});
        run.begin = *each + 1;
        ++removed;
      }
      if (!run.empty()) left.push_back(run);
    };
    thin_out(first_);
    if (later_) std::for_each(later_->begin(), later_->end(), thin_out);
    first_ = left.empty() ? Run{} : left.front();
    later_.reset();
    if (left.size() < 2) return removed;
    later_ = std::make_unique<FrontVector<Run>>();
    for (std::size_t i = 1; i < left.size(); ++i) later_->push_back(left[i]);
    return removed;
  }

  // All of them, as runs of neighbours.
  template <class Visit>
  void each_run(Visit&& visit) const {
    for (Position at : returned_) visit(at, at + 1);
    if (!first_.empty()) visit(first_.begin, first_.end);
    if (!later_) return;
    for (const Run& run : *later_) visit(run.begin, run.end);
  }

 private:
  struct Run {
    Position begin = 0;
    Position end = 0;
    bool empty() const { return begin == end; }
  };

  void next_run() {
    first_ = later_->front();
    later_->pop_front();
    if (later_->empty()) later_.reset();
  }

  Run first_;                                // Empty only when there are no later ones.
  std::unique_ptr<FrontVector<Run>> later_;  // There may be very many queues, and most have one run.
  std::vector<Position> returned_;           // A heap, the smallest in front.
};

}  // namespace wherry::broker

// FrontVector: a vector that also loses elements at its front, for what is mostly a queue and now and then looked up or
// inserted into by index. Empty it takes 32 bytes and no allocation, where std::deque takes 600 bytes: there may be
// very many queues with nothing in them.
//
// pop_front() is amortised O(1): what it leaves unused is at most half of what there is, and 64 elements. The last one
// to go gives the memory back when it was much. Iterators and references: as std::vector's, and pop_front() ends them.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace wherry::broker {

template <class T>
class FrontVector {
 public:
  using iterator = typename std::vector<T>::iterator;
  using const_iterator = typename std::vector<T>::const_iterator;

  iterator begin() { return items_.begin() + gone_; }
  iterator end() { return items_.end(); }
  const_iterator begin() const { return items_.begin() + gone_; }
  const_iterator end() const { return items_.end(); }

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size() - static_cast<std::size_t>(gone_); }
  T& operator[](std::size_t index) { return items_[static_cast<std::size_t>(gone_) + index]; }
  T& front() { return *begin(); }
  T& back() { return items_.back(); }

  void push_back(T item) { items_.push_back(std::move(item)); }
  iterator insert(iterator before, T item) { return items_.insert(before, std::move(item)); }
  // Precondition: not empty().
  void pop_front() {
    *begin() = T();
    ++gone_;
    if (begin() == end()) {
      if (items_.capacity() > kFew) std::vector<T>().swap(items_);
      items_.clear();
      gone_ = 0;
    } else if (gone_ >= static_cast<std::ptrdiff_t>(kFew) && gone_ * 2 >= static_cast<std::ptrdiff_t>(items_.size())) {
      items_.erase(items_.begin(), begin());
      gone_ = 0;
    }
  }

 private:
  static constexpr std::size_t kFew = 64;
  std::vector<T> items_;
  std::ptrdiff_t gone_ = 0;  // As many at the front of items_; less than all, but for none.
};

}  // namespace wherry::broker

// LoadedPages: which chunks of a fair queue were brought back from the store, in that order, so that the memory they
// take stays bounded however many keys there are, each with its next message in another chunk.
#pragma once

#include <cstdint>
#include <deque>

namespace wherry::broker {

class LoadedPages {
 public:
  void add(std::uint64_t chunk, std::size_t bytes) {
    pages_.push_back({chunk, bytes});
    bytes_ += bytes;
  }
  // Calls drop(chunk) for those that came first until there is room for another. What was taken from them meanwhile
  // still counts.
  template <class Drop>
  void make_room(Drop&& drop) {
    while (bytes_ > budget_bytes || pages_.size() > most_pages) {
      const Page page = pages_.front();
      pages_.pop_front();
      bytes_ -= page.bytes;
      drop(page.chunk);
    }
  }

 private:
  // Messages, and their slots: 5 KiB a chunk.
  static constexpr std::size_t budget_bytes = std::size_t{8} << 20;
  static constexpr std::size_t most_pages = 1024;

  struct Page {
    std::uint64_t chunk = 0;
    std::size_t bytes = 0;
  };
  std::deque<Page> pages_;
  std::size_t bytes_ = 0;
};

}  // namespace wherry::broker

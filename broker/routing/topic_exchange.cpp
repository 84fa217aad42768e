// Topic exchange: patterns without a wildcard match one key, which is looked up whole; those with one are in a trie.
#include <functional>
#include <vector>

#include "broker/routing/exchange.h"
#include "broker/routing/hash_index.h"
#include "broker/routing/topic_trie.h"
#include "broker/routing/topic_words.h"

namespace wherry::broker {

namespace {

class TopicExchange final : public Exchange {
 public:
  using Exchange::Exchange;

  void bind(const Binding& binding) override {
    const std::string& pattern = binding.spec.routing_key;
    if (has_wildcard(pattern)) {
      ++in_trie_;
      return trie_.add(binding);
    }
    std::uint32_t number = find(pattern);
    if (number == HashIndex::none) {
      if (free_.empty()) {
        number = static_cast<std::uint32_t>(by_key_.size());
        by_key_.emplace_back();
      } else {
        number = free_.back();
        free_.pop_back();
      }
      index_.add(hash_of(pattern), number);
    }
    by_key_[number].add(binding);
  }

  void unbind(const Binding& binding) override {
    const std::string& pattern = binding.spec.routing_key;
    if (has_wildcard(pattern)) {
      --in_trie_;
      return trie_.remove(binding);
    }
    const std::uint32_t number = find(pattern);
    by_key_[number].remove(binding);
    if (!by_key_[number].empty()) return;
    index_.remove(hash_of(pattern), number);
    free_.push_back(number);
  }

  void route(RoutedBy& message, Reached& reached) const override {
    const std::uint32_t number = find(message.routing_key());
    if (number != HashIndex::none) reached.add_all(by_key_[number]);
    if (in_trie_ > 0) trie_.match(message.routing_key(), reached);
  }

 private:
  static std::uint64_t hash_of(std::string_view key) { return std::hash<std::string_view>{}(key); }
  std::uint32_t find(std::string_view key) const {
    if (index_.size() == 0) return HashIndex::none;
    return index_.find(hash_of(key), [&](std::uint32_t number) { return by_key_[number][0].spec.routing_key == key; });
  }

  TopicTrie trie_;
  std::size_t in_trie_ = 0;
  std::vector<BindingList> by_key_;  // Those of one key each; empty where free.
  std::vector<std::uint32_t> free_;
  HashIndex index_;
};

}  // namespace

std::unique_ptr<Exchange> make_topic_exchange(ExchangeSpec spec) {
  return std::make_unique<TopicExchange>(std::move(spec));
}

}  // namespace wherry::broker

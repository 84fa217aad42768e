// Topic exchange: a trie of words. A key is walked word by word with the set of nodes that could still match, each node
// once, so that no pattern or key, however many '#' it has, costs more than its words times the nodes that match so
// far.
#include <algorithm>
#include <vector>

#include "base/assert.h"
#include "broker/routing/exchange.h"
#include "broker/routing/string_map.h"

namespace wherry::broker {

namespace {

// Calls visit with each word. An empty key has no words at all; "a." has two, the second one empty.
template <class Visit>
void each_word(std::string_view key, Visit&& visit) {
  if (key.empty()) return;
  for (;;) {
    std::size_t dot = key.find('.');
    visit(key.substr(0, dot));
    if (dot == std::string_view::npos) return;
    key.remove_prefix(dot + 1);
  }
}

struct Node {
  Node* parent = nullptr;
  std::string word;  // Under which the parent has it.
  StringMap<std::unique_ptr<Node>> words;
  std::unique_ptr<Node> star;  // "*": exactly one word.
  std::unique_ptr<Node> hash;  // "#": any number of words, none included.
  bool is_hash = false;
  BindingList bindings;

  bool barren() const { return bindings.empty() && words.empty() && !star && !hash; }
};

class TopicExchange final : public Exchange {
 public:
  using Exchange::Exchange;

  void bind(const Binding& binding) override {
    Node* node = &root_;
    each_word(binding.spec.routing_key, [&](std::string_view word) { node = &child(*node, word); });
    node->bindings.add(binding);
  }

  void unbind(const Binding& binding) override {
    Node* node = &root_;
    each_word(binding.spec.routing_key, [&](std::string_view word) { node = &child(*node, word); });
    node->bindings.remove(binding);
    while (node->parent && node->barren()) {
      Node* parent = node->parent;
      if (node == parent->star.get()) {
        parent->star.reset();
      } else if (node == parent->hash.get()) {
        parent->hash.reset();
      } else {
        parent->words.erase(parent->words.find(node->word));
      }
      node = parent;
    }
  }

  void route(RoutedBy& message, Reached& reached) const override {
    // Kept between calls, so that publishing does not allocate; routing never nests within a thread.
    thread_local std::vector<const Node*> current, following;
    current.clear();
    enter(root_, current, 0);
    each_word(message.routing_key(), [&](std::string_view word) {
      following.clear();
      // A "#" may take the word and stay. It is the only kind of node that can be reached in two ways: by staying, and
      // afresh from its parent.
      for (const Node* node : current) {
        if (node->is_hash) following.push_back(node);
      }
      std::size_t stayed = following.size();
      for (const Node* node : current) {
        if (!node->words.empty()) {
          if (auto found = node->words.find(word); found != node->words.end()) {
            enter(*found->second, following, stayed);
          }
        }
        if (node->star) enter(*node->star, following, stayed);
      }
      current.swap(following);
    });
    for (const Node* node : current) reached.add_all(node->bindings);
  }

 private:
  // "#.#" means what "#" means: a "#" has no "#" below it.
  static Node& child(Node& node, std::string_view word) {
    if (word == "#") {
      if (node.is_hash) return node;
      if (!node.hash) {
        node.hash = make_child(node, word);
        node.hash->is_hash = true;
      }
      return *node.hash;
    }
    if (word == "*") {
      if (!node.star) node.star = make_child(node, word);
      return *node.star;
    }
    auto found = node.words.find(word);
    if (found == node.words.end()) found = node.words.emplace(std::string(word), make_child(node, word)).first;
    return *found->second;
  }

  static std::unique_ptr<Node> make_child(Node& parent, std::string_view word) {
    auto made = std::make_unique<Node>();
    made->parent = &parent;
    made->word = word;
    return made;
  }

  static void enter(const Node& node, std::vector<const Node*>& into, std::size_t stayed) {
    into.push_back(&node);
    if (!node.hash) return;
    auto end = into.begin() + static_cast<std::ptrdiff_t>(stayed);
    if (std::find(into.begin(), end, node.hash.get()) == end) into.push_back(node.hash.get());
  }

  Node root_;
};

}  // namespace

std::unique_ptr<Exchange> make_topic_exchange(ExchangeSpec spec) {
  return std::make_unique<TopicExchange>(std::move(spec));
}

}  // namespace wherry::broker

#include "broker/routing/topic_trie.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "broker/routing/topic_words.h"

namespace wherry::broker {

namespace {

// The number of an item as it is made: one that was given back, or the next.
template <class Item>
std::uint32_t take_place(std::vector<Item>& items, std::vector<std::uint32_t>& free) {
  if (free.empty()) {
    items.emplace_back();
    return static_cast<std::uint32_t>(items.size() - 1);
  }
  const std::uint32_t place = free.back();
  free.pop_back();
  return place;
}
std::uint64_t hash_of(std::string_view text) {
  return std::hash<std::string_view>{}(text);
}
std::uint64_t hash_of_edge(std::uint32_t node, std::uint32_t word) {
  std::uint64_t mixed = (std::uint64_t{node} << 32 | word) * 0x9E3779B97F4A7C15u;
  mixed ^= mixed >> 29;
  return mixed * 0xBF58476D1CE4E5B9u;
}
}  // namespace

TopicTrie::TopicTrie() {
  nodes_.emplace_back();
}

void TopicTrie::add(const Binding& binding) {
  nodes_[walk_to(binding.spec.routing_key)].bindings.add(binding);
}

void TopicTrie::remove(const Binding& binding) {
  NodeId id = walk_to(binding.spec.routing_key);
  nodes_[id].bindings.remove(binding);
  while (id != root && nodes_[id].barren()) {
    const NodeId parent = nodes_[id].parent;
    drop_node(id);
    id = parent;
  }
}

void TopicTrie::match(std::string_view key, Reached& reached) const {
  // Kept between calls, so that publishing does not allocate; routing never nests within a thread.
  thread_local std::vector<NodeId> current, following;
  current.clear();
  enter(root, current, 0);
  each_word(key, [&](std::string_view text) {
    following.clear();
    // A "#" may take the word and stay. It is the only kind of node that can be reached in two ways: by staying, and
    // afresh from its parent.
    for (const NodeId id : current) {
      if (nodes_[id].is_hash) following.push_back(id);
    }
    const std::size_t stayed = following.size();
    bool asked = false;
    WordId word = none;
    for (const NodeId id : current) {
      const Node& node = nodes_[id];
      if (node.children > 0) {
        if (!std::exchange(asked, true)) word = find_word(text);
        const NodeId child = word == none ? none : find_child(id, word);
        if (child != none) enter(child, following, stayed);
      }
      if (node.star != none) enter(node.star, following, stayed);
    }
    current.swap(following);
  });
  for (const NodeId id : current) reached.add_all(nodes_[id].bindings);
}

void TopicTrie::enter(NodeId id, std::vector<NodeId>& into, std::size_t stayed) const {
  // What follows is mostly the rest of a pattern, and asked for next: with very many bindings it is in no cache.
  const std::size_t end_ahead = std::min<std::size_t>(id + 4, nodes_.size());
  for (std::size_t ahead = id + 1; ahead < end_ahead; ++ahead) __builtin_prefetch(&nodes_[ahead]);
  into.push_back(id);
  const NodeId hash = nodes_[id].hash;
  if (hash == none) return;
  const auto end = into.begin() + static_cast<std::ptrdiff_t>(stayed);
  if (std::find(into.begin(), end, hash) == end) into.push_back(hash);
}

// --- nodes -----------------------------------------------------------------------------------------------------------

TopicTrie::NodeId TopicTrie::walk_to(std::string_view pattern) {
  NodeId id = root;
  each_word(pattern, [&](std::string_view word) { id = child_for(id, word); });
  return id;
}

// "#.#" means what "#" means: a "#" has no "#" below it.
TopicTrie::NodeId TopicTrie::child_for(NodeId node, std::string_view word) {
  if (word == "#") {
    if (nodes_[node].is_hash) return node;
    if (nodes_[node].hash == none) {
      const NodeId made = make_node(node, none);
      nodes_[made].is_hash = true;
      nodes_[node].hash = made;
    }
    return nodes_[node].hash;
  }
  if (word == "*") {
    if (nodes_[node].star == none) {
      const NodeId made = make_node(node, none);
      nodes_[node].star = made;
    }
    return nodes_[node].star;
  }
  const WordId id = word_for(word);
  const NodeId found = find_child(node, id);
  if (found != none) return found;
  const NodeId made = make_node(node, id);
  edge_index_.add(hash_of_edge(node, id), made);
  Node& parent = nodes_[node];
  if (parent.children++ == 0) {
    parent.first_word = id;
    parent.first_child = made;
  }
  Word& named = words_[id];
  if (named.places++ == 0) {
    named.first_parent = node;
    named.first_child = made;
  }
  return made;
}

TopicTrie::NodeId TopicTrie::make_node(NodeId parent, WordId word) {
  const NodeId id = take_place(nodes_, free_nodes_);
  nodes_[id].parent = parent;
  nodes_[id].word = word;
  return id;
}

void TopicTrie::drop_node(NodeId id) {
  const WordId word_id = nodes_[id].word;
  Node& parent = nodes_[nodes_[id].parent];
  if (id == parent.star) {
    parent.star = none;
  } else if (id == parent.hash) {
    parent.hash = none;
  } else {
    edge_index_.remove(hash_of_edge(nodes_[id].parent, word_id), id);
    --parent.children;
    if (parent.first_child == id) parent.first_word = parent.first_child = none;
    Word& word = words_[word_id];
    if (word.first_child == id) word.first_parent = word.first_child = none;
    if (--word.places == 0) {
      word_index_.remove(hash_of(word.text), word_id);
      word = {};
      free_words_.push_back(word_id);
    }
  }
  nodes_[id] = {};
  free_nodes_.push_back(id);
}

TopicTrie::NodeId TopicTrie::find_child(NodeId node, WordId word) const {
  const Node& parent = nodes_[node];
  if (parent.children == 1 && parent.first_word != none) return parent.first_word == word ? parent.first_child : none;
  const Word& named = words_[word];
  if (named.places == 1 && named.first_parent != none) return named.first_parent == node ? named.first_child : none;
  return edge_index_.find(hash_of_edge(node, word),
                          [&](NodeId child) { return nodes_[child].parent == node && nodes_[child].word == word; });
}

// --- words -----------------------------------------------------------------------------------------------------------

TopicTrie::WordId TopicTrie::find_word(std::string_view text) const {
  return word_index_.find(hash_of(text), [&](WordId id) { return words_[id].text == text; });
}

TopicTrie::WordId TopicTrie::word_for(std::string_view text) {
  if (const WordId known = find_word(text); known != none) return known;
  const WordId id = take_place(words_, free_words_);
  words_[id].text = text;
  word_index_.add(hash_of(text), id);
  return id;
}

}  // namespace wherry::broker

// TopicTrie: the bindings whose patterns have a '*' or a '#', by the words of their patterns.
//
// A key is walked word by word with the set of nodes that could still match, each node once, so that no pattern or key,
// however many '#' it has, costs more than its words times the nodes that match so far. Words are numbered: one of the
// key is hashed once however many nodes are asked for it, and one that no pattern has asks no node at all. Nodes lie in
// one array in the order they were made, which is mostly that of a pattern's words; a node with one child and a word
// with one place know it without a look-up. So with very many bindings few cache lines are new for each word.
//
// Limits: 2^31 words and nodes. Threads: one at a time; several may match() while nobody changes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/routing/exchange.h"
#include "broker/routing/hash_index.h"

namespace wherry::broker {

class TopicTrie {
 public:
  TopicTrie();

  void add(const Binding& binding);
  void remove(const Binding& binding);
  // Adds every binding whose pattern matches.
  void match(std::string_view key, Reached& reached) const;

 private:
  using NodeId = std::uint32_t;
  using WordId = std::uint32_t;
  static constexpr std::uint32_t none = HashIndex::none;
  static constexpr NodeId root = 0;

  struct alignas(64) Node {  // One cache line, as a word is.
    NodeId parent = none;
    WordId word = none;          // Under which the parent has it; none for a '*' or '#'.
    NodeId star = none;          // "*": exactly one word.
    NodeId hash = none;          // "#": any number of words, none included.
    std::uint32_t children = 0;  // By words.
    WordId first_word = none;    // Of the child that was there first; none when that one has gone.
    NodeId first_child = none;
    bool is_hash = false;
    BindingList bindings;

    bool barren() const { return bindings.empty() && children == 0 && star == none && hash == none; }
  };
  struct alignas(64) Word {
    std::string text;
    std::uint32_t places = 0;    // Nodes that have a child by it.
    NodeId first_parent = none;  // Of the place that was there first; none when that one has gone.
    NodeId first_child = none;
  };

  NodeId walk_to(std::string_view pattern);  // Makes what is not there.
  NodeId child_for(NodeId node, std::string_view word);
  NodeId make_node(NodeId parent, WordId word);
  void drop_node(NodeId id);
  NodeId find_child(NodeId node, WordId word) const;
  WordId find_word(std::string_view text) const;
  WordId word_for(std::string_view text);
  void enter(NodeId id, std::vector<NodeId>& into, std::size_t stayed) const;

  std::vector<Node> nodes_;
  std::vector<NodeId> free_nodes_;
  std::vector<Word> words_;
  std::vector<WordId> free_words_;
  HashIndex word_index_;
  HashIndex edge_index_;  // From a node and a word to the child.
};

}  // namespace wherry::broker

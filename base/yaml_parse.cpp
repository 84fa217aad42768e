#include <limits>
#include <sstream>
#include <unordered_map>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "base/yaml_node.h"

namespace wherry::yaml::detail {

namespace {

Position position(const YAML::Mark& mark) {
  return mark.is_null() ? Position{} : Position{mark.line + 1, mark.column + 1};
}

// Thrown through the parser, which has no other way to stop.
struct Refused {
  Position at;
  std::string text;
};

class Builder : public YAML::EventHandler {
 public:
  NodeRef take() { return std::move(root_); }
  bool started() const { return started_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started_) throw Refused{position(mark), "a second document begins here; a settings file holds one"};
    started_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(Node{.kind = Node::Kind::null, .at = position(mark)}, anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool plain = tag == "?" || tag.empty();
    const bool null = plain && (value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL");
    add(Node{.kind = null ? Node::Kind::null : Node::Kind::text, .plain = plain, .text = value, .at = position(mark)},
        anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{position(mark), "an alias inside of what it stands for"};
    place(found->second, position(mark));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::list, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::map, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    bool has_key = false;
    std::string key = {};
    Position key_at = {};
  };

  void open(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    const Position at = position(mark);
    if (!open_.empty() && open_.back().node.kind == Node::Kind::map && !open_.back().has_key)
      throw Refused{at, "a key must be a text"};
    open_.push_back({Node{.kind = kind, .at = at}, anchor});
  }
  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }
  void add(Node node, YAML::anchor_t anchor) {
    const Position at = node.at;
    auto ref = std::make_shared<const Node>(std::move(node));
    if (anchor != 0) anchors_[anchor] = ref;
    place(std::move(ref), at);
  }
  void place(NodeRef ref, Position at) {
    if (open_.empty()) {
      root_ = std::move(ref);
      return;
    }
    Open& into = open_.back();
    if (into.node.kind == Node::Kind::map && !into.has_key) {
      if (ref->kind != Node::Kind::text) throw Refused{at, "a key must be a text"};
      for (const Node::Entry& each : into.node.entries)
        if (each.key == ref->text)
          throw Refused{at,
                        fmt::format("the key '{}' is there twice; the first is in line {}", each.key, each.at.line)};
      into.has_key = true;
      into.key = ref->text;
      into.key_at = at;
      return;
    }
    into.node.weight += ref->weight;
    if (into.node.weight > most_values)
      throw Refused{at, fmt::format("more than {} values, counting each use of an alias", most_values)};
    if (into.node.kind == Node::Kind::list) {
      into.node.items.push_back(std::move(ref));
    } else {
      into.node.entries.push_back({std::move(into.key), into.key_at, std::move(ref)});
      into.has_key = false;
    }
  }

  bool started_ = false;
  NodeRef root_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, NodeRef> anchors_;
};

}  // namespace

NodeRef parse(std::string_view text, State& state) {
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder;
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take();
  } catch (const Refused& refused) {
    state.mistake(refused.at, refused.text);
  } catch (const YAML::Exception& e) {
    state.mistake(position(e.mark), fmt::format("not valid YAML: {}", e.msg));
  }
  state.broken = true;
  return nullptr;
}

}  // namespace wherry::yaml::detail

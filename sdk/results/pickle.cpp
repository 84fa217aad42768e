#include "sdk/results/pickle.h"

#include <bit>
#include <cmath>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/utf8.h"

namespace wherry::results {

using task::Value;

namespace {

constexpr std::size_t most_values = 1'000'000;
constexpr std::size_t most_bytes = 256 << 20;

// --- writing ---------------------------------------------------------------------------------------------------------

void put_little(std::string& out, std::uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i));
}

struct Writer {
  std::string out = {};
  std::size_t depth = 0;
  std::string error = {};

  void operator()(std::monostate) { out += 'N'; }
  void operator()(bool flag) { out += flag ? '\x88' : '\x89'; }
  void operator()(std::int64_t number) {
    if (std::in_range<std::int32_t>(number)) {
      out += 'J';
      return put_little(out, static_cast<std::uint64_t>(number), 4);
    }
    out += "\x8a\x08";
    put_little(out, static_cast<std::uint64_t>(number), 8);
  }
  // LONG1 is signed: a ninth byte keeps it above zero.
  void operator()(std::uint64_t number) {
    out += "\x8a\x09";
    put_little(out, number, 8);
    out += '\0';
  }
  void operator()(double number) {
    // What the other stores, in JSON, have no word for is refused here too: a result is the same everywhere.
    if (!std::isfinite(number)) error = "a number that is not finite";
    out += 'G';
    const auto bits = std::bit_cast<std::uint64_t>(number);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(bits >> shift);
  }
  void operator()(const std::string& text) {
    if (!is_utf8(text)) error = "text that is not UTF-8";
    out += 'X';
    put_little(out, text.size(), 4);
    out += text;
  }
  void operator()(const task::Bytes& bytes) {
    out += 'B';
    put_little(out, bytes.data.size(), 4);
    out += bytes.data;
  }
  void operator()(const Value::Array& array) {
    if (!enter()) return;
    out += "](";
    for (const Value& each : array) std::visit(*this, each.variant());
    out += 'e';
    --depth;
  }
  void operator()(const Value::Map& map) {
    if (!enter()) return;
    out += "}(";
    for (const auto& [key, value] : map) {
      (*this)(key);
      std::visit(*this, value.variant());
    }
    out += 'u';
    --depth;
  }
  bool enter() {
    if (++depth > task::max_depth) error = fmt::format("nested deeper than {}", task::max_depth);
    return error.empty();
  }
};

// --- reading ---------------------------------------------------------------------------------------------------------

// A value on the stack. The memo may hold a container before it is filled, and a container itself: all nodes live as
// long as the reader, and are held by no one else.
struct Node;
using NodeRef = Node*;
struct Node {
  enum class Kind { mark, scalar, list, map };
  Kind kind = Kind::scalar;
  Value scalar = {};
  std::vector<NodeRef> items = {};  // Of a map: key, value, key, value.
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Result<Value> read() {
    while (error_.empty()) {
      const unsigned char op = static_cast<unsigned char>(byte());
      if (!error_.empty()) break;
      if (op == '.') {
        const NodeRef root = pop();
        if (!error_.empty()) break;
        Value value;
        write_out(*root, value, 0);
        if (error_.empty()) return value;
        break;
      }
      step(op);
    }
    return fail("pickle: " + error_);
  }

 private:
  void step(unsigned char op) {
    switch (op) {
      case 0x80:  // PROTO
        if (const auto version = static_cast<unsigned char>(byte()); version < 2 || version > 5) {
          refuse(fmt::format("protocol {} is not read", version));
        }
        break;
      case 0x95:  // FRAME
        take(8);
        break;
      case 'N':
        return push(scalar(nullptr));
      case 0x88:
        return push(scalar(true));
      case 0x89:
        return push(scalar(false));
      case 'K':
        return push(scalar(little(1)));
      case 'M':
        return push(scalar(little(2)));
      case 'J':
        return push(scalar(static_cast<std::int32_t>(little(4))));
      case 0x8a:  // LONG1
        return push_long(little(1));
      case 'G':
        return push_double();
      case 0x8c:
        return push_text(little(1));
      case 'X':
        return push_text(little(4));
      case 0x8d:
        return push_text(little(8));
      case 'C':
        return push(scalar(task::Bytes{std::string(take(little(1)))}));
      case 'B':
        return push(scalar(task::Bytes{std::string(take(little(4)))}));
      case 0x8e:
        return push(scalar(task::Bytes{std::string(take(little(8)))}));
      case '(':
        return push(make(Node::Kind::mark));
      case ']':
      case ')':
        return push(make(Node::Kind::list));
      case '}':
        return push(make(Node::Kind::map));
      case 0x85:
      case 0x86:
      case 0x87:
        return push_tuple(op - 0x84u);
      case 't': {
        auto node = make(Node::Kind::list);
        node->items = pop_to_mark();
        return push(node);
      }
      case 'a':
        return add(Node::Kind::list, {pop()});
      case 'e':
        return add(Node::Kind::list, pop_to_mark());
      case 's': {
        const NodeRef value = pop();
        const NodeRef key = pop();
        return add(Node::Kind::map, {key, value});
      }
      case 'u':
        return add(Node::Kind::map, pop_to_mark());
      case 0x94:  // MEMOIZE
        return remember(memo_.size());
      case 'q':
        return remember(little(1));
      case 'r':
        return remember(little(4));
      case 'h':
        return recall(little(1));
      case 'j':
        return recall(little(4));
      default:
        // GLOBAL, REDUCE, BUILD and all others that make objects of Python's.
        refuse("it holds an object of Python's that is no plain data");
    }
  }

  NodeRef make(Node::Kind kind, Value value = {}) {
    nodes_.push_back({kind, std::move(value)});
    return &nodes_.back();
  }
  NodeRef scalar(Value value) { return make(Node::Kind::scalar, std::move(value)); }

  void refuse(std::string why) {
    if (error_.empty()) error_ = fmt::format("{} (at byte {})", why, at_);
  }
  std::string_view take(std::size_t count) {
    if (count > bytes_.size() - at_) {
      refuse("it ends too early");
      return {};
    }
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  char byte() {
    const std::string_view one = take(1);
    return one.empty() ? '\0' : one[0];
  }
  std::uint64_t little(unsigned count) {
    std::uint64_t number = 0;
    const std::string_view bytes = take(count);
    for (std::size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
    return number;
  }

  void push(NodeRef node) { stack_.push_back(node); }
  // Never null; not a mark.
  NodeRef pop() {
    if (stack_.empty() || stack_.back()->kind == Node::Kind::mark) {
      refuse("a value is missing");
      return scalar(nullptr);
    }
    const NodeRef top = stack_.back();
    stack_.pop_back();
    return top;
  }
  std::vector<NodeRef> pop_to_mark() {
    std::size_t mark = stack_.size();
    while (mark > 0 && stack_[mark - 1]->kind != Node::Kind::mark) --mark;
    if (mark == 0) {
      refuse("a mark is missing");
      return {};
    }
    std::vector<NodeRef> out(stack_.begin() + static_cast<std::ptrdiff_t>(mark), stack_.end());
    stack_.resize(mark - 1);
    return out;
  }
  void add(Node::Kind kind, std::vector<NodeRef> items) {
    if (!error_.empty()) return;
    if (stack_.empty() || stack_.back()->kind != kind || (kind == Node::Kind::map && items.size() % 2 != 0)) {
      return refuse("values have no container");
    }
    auto& into = stack_.back()->items;
    into.insert(into.end(), items.begin(), items.end());
  }
  void push_tuple(std::size_t count) {
    auto node = make(Node::Kind::list);
    node->items.resize(count);
    while (count-- > 0) node->items[count] = pop();
    push(node);
  }
  void push_text(std::uint64_t size) {
    const std::string_view text = take(size);
    if (!is_utf8(text)) return refuse("text that is not UTF-8");
    push(scalar(std::string(text)));
  }
  void push_double() {
    std::uint64_t bits = 0;
    for (const char each : take(8)) bits = bits << 8 | static_cast<unsigned char>(each);
    push(scalar(std::bit_cast<double>(bits)));
  }
  // Two's complement, little end first, as few bytes as it needs.
  void push_long(std::uint64_t size) {
    const std::string_view bytes = take(size);
    if (bytes.empty()) return push(scalar(0));
    const bool negative = (static_cast<unsigned char>(bytes.back()) & 0x80) != 0;
    const bool wide = bytes.size() == 9 && bytes.back() == '\0';
    if (bytes.size() > 8 && !wide) return refuse("an integer of more than 64 bits");
    std::uint64_t number = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = std::min<std::size_t>(bytes.size(), 8); i-- > 0;) {
      number = number << 8 | static_cast<unsigned char>(bytes[i]);
    }
    push(negative ? scalar(static_cast<std::int64_t>(number)) : scalar(number));
  }
  void remember(std::uint64_t key) {
    if (stack_.empty()) return refuse("a value is missing");
    memo_[key] = stack_.back();
  }
  void recall(std::uint64_t key) {
    const auto at = memo_.find(key);
    if (at == memo_.end()) return refuse("a value is missing");
    push(at->second);
  }

  static std::string key_text(const Value& key) {
    if (const auto* text = key.get<std::string>()) return *text;
    if (const auto* number = key.get<std::int64_t>()) return std::to_string(*number);
    if (const auto* number = key.get<double>()) return fmt::format("{}", *number);
    if (const auto* flag = key.get<bool>()) return *flag ? "True" : "False";
    return key.is_null() ? "None" : task::describe(key);
  }

  // Depth is bounded, so a container that holds itself ends here; and so is what sharing can blow up.
  void write_out(const Node& node, Value& into, std::size_t depth) {
    if (!error_.empty()) return;
    if (node.kind == Node::Kind::scalar) {
      into = node.scalar;
      if (const auto* text = into.get<std::string>()) bytes_out_ += text->size();
      if (const auto* raw = into.get<task::Bytes>()) bytes_out_ += raw->data.size();
    } else if (depth == task::max_depth) {
      return refuse(fmt::format("nested deeper than {}", task::max_depth));
    }
    if (++values_out_ > most_values || bytes_out_ > most_bytes) return refuse("it is too large when written out");
    if (node.kind == Node::Kind::list) {
      Value::Array array(node.items.size());
      for (std::size_t i = 0; i < array.size(); ++i) write_out(*node.items[i], array[i], depth + 1);
      into = std::move(array);
    } else if (node.kind == Node::Kind::map) {
      Value::Map map;
      for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
        Value key;
        Value value;
        write_out(*node.items[i], key, depth + 1);
        write_out(*node.items[i + 1], value, depth + 1);
        if (!error_.empty()) return;
        map.emplace_back(key_text(key), std::move(value));
      }
      task::drop_repeated_keys(map);
      into = std::move(map);
    }
  }

  const std::string_view bytes_;
  std::deque<Node> nodes_;
  std::size_t at_ = 0;
  std::string error_;
  std::vector<NodeRef> stack_;
  std::unordered_map<std::uint64_t, NodeRef> memo_;
  std::size_t values_out_ = 0;
  std::size_t bytes_out_ = 0;
};

}  // namespace

Result<std::string> encode_pickle(const Value& value) {
  Writer writer;
  writer.out = "\x80\x03";
  std::visit(writer, value.variant());
  if (!writer.error.empty()) return fail(std::move(writer.error));
  writer.out += '.';
  return std::move(writer.out);
}

Result<Value> decode_pickle(std::string_view bytes) {
  return Reader(bytes).read();
}

}  // namespace wherry::results

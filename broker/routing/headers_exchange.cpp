// Headers exchange: x-match and RabbitMQ's comparison, where the value counts and not the type it was sent with.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "broker/routing/arguments.h"
#include "broker/routing/exchange.h"

namespace wherry::broker {

namespace {

enum class Match { all, any };

struct Pattern {
  Match match = Match::all;
  std::vector<amqp::Table::Entry> wanted;
};

Pattern compile(const amqp::Table& arguments) {
  Pattern pattern;
  const std::string* mode = arguments.string("x-match");
  if (mode && mode->starts_with("any")) pattern.match = Match::any;
  bool with_x = mode && mode->ends_with("-with-x");
  for (const auto& entry : arguments.entries()) {
    if (entry.first == "x-match") continue;
    if (!with_x && entry.first.starts_with("x-")) continue;
    pattern.wanted.push_back(entry);
  }
  return pattern;
}

// What a number is worth whatever its width; false for what is not a number. A timestamp is its seconds.
bool number(const amqp::FieldValue& value, std::int64_t& whole, double& real, bool& is_whole) {
  is_whole = value.integer(whole);
  if (is_whole) return true;
  if (auto* time = value.get<amqp::Timestamp>()) {
    whole = static_cast<std::int64_t>(time->seconds);
    return is_whole = true;
  }
  if (auto* f = value.get<float>()) return real = *f, true;
  if (auto* d = value.get<double>()) return real = *d, true;
  return false;
}

const std::string* string_of(const amqp::FieldValue& value) {
  if (auto* s = value.get<std::string>()) return s;
  if (auto* b = value.get<amqp::ByteArray>()) return &b->bytes;
  return nullptr;
}

// Inside lists and tables the type on the wire counts too.
bool identical(const amqp::FieldValue& a, const amqp::FieldValue& b) {
  if (a.value.index() != b.value.index()) return false;
  if (auto* list = a.get<amqp::FieldArray>()) {
    auto* other = b.get<amqp::FieldArray>();
    return std::equal(list->begin(), list->end(), other->begin(), other->end(), identical);
  }
  if (auto* table = a.get<amqp::Table>()) {
    const auto& entries = table->entries();
    const auto& others = b.get<amqp::Table>()->entries();
    return std::equal(entries.begin(), entries.end(), others.begin(), others.end(),
                      [](const auto& one, const auto& other) {
                        return one.first == other.first && identical(one.second, other.second);
                      });
  }
  return a == b;
}

bool holds_nothing(const amqp::FieldValue& value) {
  if (auto* list = value.get<amqp::FieldArray>()) return list->empty();
  auto* table = value.get<amqp::Table>();
  return table && table->empty();
}

bool same_value(const amqp::FieldValue& a, const amqp::FieldValue& b) {
  std::int64_t whole_a = 0, whole_b = 0;
  double real_a = 0, real_b = 0;
  bool is_whole_a = false, is_whole_b = false;
  if (number(a, whole_a, real_a, is_whole_a) && number(b, whole_b, real_b, is_whole_b)) {
    if (is_whole_a && is_whole_b) return whole_a == whole_b;
    return (is_whole_a ? static_cast<double>(whole_a) : real_a) == (is_whole_b ? static_cast<double>(whole_b) : real_b);
  }
  const std::string *text_a = string_of(a), *text_b = string_of(b);
  if (text_a && text_b) return *text_a == *text_b;
  // An empty list and an empty table are the same to RabbitMQ.
  return identical(a, b) || (holds_nothing(a) && holds_nothing(b));
}

bool matches(const Pattern& pattern, const amqp::Table& headers) {
  for (const auto& [name, value] : pattern.wanted) {
    const amqp::FieldValue* given = headers.find(name);
    // A binding without a value asks only that the header is there.
    bool match = given && (value.is_null() || same_value(value, *given));
    if (match && pattern.match == Match::any) return true;
    if (!match && pattern.match == Match::all) return false;
  }
  return pattern.match == Match::all;
}

class HeadersExchange final : public Exchange {
 public:
  using Exchange::Exchange;

  void bind(const Binding& binding) override { patterns_.emplace(&binding, compile(binding.spec.arguments)); }
  void unbind(const Binding& binding) override { patterns_.erase(&binding); }

  void route(RoutedBy& message, Reached& reached) const override {
    if (patterns_.empty()) return;
    const amqp::Table& headers = message.headers();
    for (const auto& [binding, pattern] : patterns_) {
      if (matches(pattern, headers)) reached.add(*binding);
    }
  }
  bool routes_by_key_alone() const override { return false; }

  std::string binding_fault(const BindingSpec& binding) const override {
    const amqp::FieldValue* match = binding.arguments.find("x-match");
    if (!match) return {};
    const std::string* mode = match->get<std::string>();
    if (!mode) {
      return fmt::format("Invalid x-match field type {} (value {}); expected longstr", type_name(*match),
                         amqp::to_string(*match));
    }
    if (*mode == "all" || *mode == "any" || *mode == "all-with-x" || *mode == "any-with-x") return {};
    return fmt::format("Invalid x-match field value <<{}>>; expected all, any, all-with-x, or any-with-x",
                       mode->empty() ? "" : fmt::format("\"{}\"", *mode));
  }

 private:
  std::map<const Binding*, Pattern> patterns_;
};

}  // namespace

std::unique_ptr<Exchange> make_headers_exchange(ExchangeSpec spec) {
  return std::make_unique<HeadersExchange>(std::move(spec));
}

}  // namespace wherry::broker

#include "broker/control/json.h"

#include <limits>
#include <map>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace wherry::broker::control {

using amqp::FieldArray;
using amqp::FieldValue;
using amqp::Table;

namespace {

constexpr std::size_t most_levels = 16;

// Builds values as the parser meets them; says no to what is too deep or too many.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(std::size_t most_values) : left_(most_values) {}

  FieldValue take() { return std::move(root_); }
  const std::string& fault() const { return fault_; }

  bool null() override { return add({}); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return no("a number is too large");
    }
    return add(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return no("no JSON"); }
  bool start_object(std::size_t) override { return open(Table{}); }
  bool key(string_t& name) override {
    if (is_there(name)) return no(fmt::format("'{}' is there twice", name));
    names_.push_back(std::move(name));
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(FieldArray{}); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
    return no(fmt::format("no JSON at byte {}", at));
  }

 private:
  // Of the innermost object. Looking through a large one for each of its names would take for ever.
  bool is_there(const std::string& name) {
    const Table& table = *open_.back().get<Table>();
    if (table.entries().size() < large_object) return table.find(name) != nullptr;
    auto& known = known_[open_.size()];
    if (table.entries().size() == large_object || known.empty()) {
      known.clear();
      for (const auto& [each, value] : table.entries()) known.insert(each);
    }
    return !known.insert(name).second;
  }
  bool no(std::string why) {
    if (fault_.empty()) fault_ = std::move(why);
    return false;
  }
  bool add(FieldValue value) {
    if (left_ == 0) return no("too many values");
    --left_;
    put(std::move(value));
    return true;
  }
  void put(FieldValue value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (auto* table = std::get_if<Table>(&open_.back().value)) {
      table->entries().emplace_back(std::move(names_.back()), std::move(value));
      names_.pop_back();
    } else {
      std::get<FieldArray>(open_.back().value).push_back(std::move(value));
    }
  }
  bool open(FieldValue empty) {
    if (open_.size() == most_levels) return no("too many levels");
    if (left_ == 0) return no("too many values");
    --left_;
    open_.push_back(std::move(empty));
    return true;
  }
  bool close() {
    FieldValue done = std::move(open_.back());
    open_.pop_back();
    put(std::move(done));
    return true;
  }

  static constexpr std::size_t large_object = 64;

  std::size_t left_;
  FieldValue root_;
  std::vector<FieldValue> open_;                                  // The innermost last.
  std::vector<std::string> names_;                                // Of values that have yet to come.
  std::map<std::size_t, std::unordered_set<std::string>> known_;  // Names of large objects, by how deep they are.
  std::string fault_;
};

using Json = nlohmann::ordered_json;
Json to_tree(const Table& table);

struct ToTree {
  Json operator()(std::monostate) const { return nullptr; }
  Json operator()(const amqp::Decimal& value) const { return amqp::to_string(FieldValue(value)); }
  Json operator()(const amqp::ByteArray& value) const { return value.bytes; }
  Json operator()(const amqp::Timestamp& value) const { return value.seconds; }
  Json operator()(const FieldArray& array) const {
    Json all = Json::array();
    for (const FieldValue& each : array) all.push_back(std::visit(ToTree{}, each.value));
    return all;
  }
  Json operator()(const Table& table) const { return to_tree(table); }
  template <class T>
  Json operator()(const T& plain) const {
    return plain;
  }
};

Json to_tree(const Table& table) {
  Json object = Json::object();
  for (const auto& [name, value] : table.entries()) object[name] = std::visit(ToTree{}, value.value);
  return object;
}

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<FieldValue> parse_value(std::string_view text, std::size_t most_size) {
  if (text.size() > most_size) return fail(fmt::format("more than {} bytes", most_size));
  // What an answer may hold grows with its size.
  Builder builder(std::max<std::size_t>(10'000, most_size / 8));
  const bool parsed = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  if (!parsed) return fail(builder.fault().empty() ? "no JSON" : builder.fault());
  return builder.take();
}

Result<Table> parse_object(std::string_view text, std::size_t most_size) {
  auto value = parse_value(text, most_size);
  if (!value) return tl::unexpected(value.error());
  Table* table = std::get_if<Table>(&value->value);
  if (table == nullptr) return fail("no JSON object");
  return std::move(*table);
}

std::string to_json(const Table& table) {
  return to_line(to_tree(table));
}

std::string to_json(const FieldValue& value) {
  return to_line(std::visit(ToTree{}, value.value));
}

}  // namespace wherry::broker::control

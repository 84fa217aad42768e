#include <catch2/catch.hpp>

#include "protocol/task/bind.h"

using namespace wherry;
using namespace wherry::task;
using namespace std::chrono_literals;

// Named, because Clang warns where base/reflect.h takes apart a type without linkage.
namespace convert_test {

enum class Color : std::uint8_t { red = 1, green = 2 };

struct Item {
  std::string name;
  double price = 0;
  friend bool operator==(const Item&, const Item&) = default;
};

struct Order {
  static constexpr auto task_name = "shop.order";
  static constexpr std::array optional_fields{"priority"};
  using Result = Item;
  std::string to;
  std::string subject;
  std::vector<Item> items;
  std::optional<std::string> note;
  int priority = 5;
  friend bool operator==(const Order&, const Order&) = default;
};

struct Everything {
  bool flag = false;
  std::int8_t tiny = 0;
  std::uint64_t huge = 0;
  float number = 0;
  Color color = Color::red;
  Bytes bytes;
  std::vector<std::byte> more;
  std::chrono::milliseconds wait{};
  std::chrono::hours hours{};
  WallTime when{};
  std::monostate nothing;
  std::optional<int> maybe;
  std::array<int, 2> two{};
  std::pair<int, std::string> pair;
  std::tuple<bool, double> tuple;
  std::map<std::string, int> map;
  std::unordered_map<std::string, std::vector<int>> lists;
  Value any;
  friend bool operator==(const Everything&, const Everything&) = default;
};

struct Nothing {
  friend bool operator==(const Nothing&, const Nothing&) = default;
};

}  // namespace convert_test

using namespace convert_test;

namespace {

template <class T>
std::string error_of(const Value& value) {
  auto result = from_value<T>(value);
  REQUIRE_FALSE(result);
  return result.error().message;
}

Value::Map order() {
  return {{"to", "ann"}, {"subject", "tea"}, {"items", Value::Array{Value::Map{{"name", "cup"}, {"price", 2}}}}};
}

}  // namespace

TEST_CASE("every listed type comes back from the value it became") {
  Everything all;
  all.flag = true;
  all.tiny = -128;
  all.huge = ~0ull;
  all.number = 1.5f;
  all.color = Color::green;
  all.bytes = {std::string("\0\xff", 2)};
  all.more = {std::byte{1}, std::byte{255}};
  all.wait = 1500ms;
  all.hours = 3h;
  all.when = WallTime(std::chrono::seconds(1'700'000'000) + 250us);
  all.two = {3, 4};
  all.pair = {7, "seven"};
  all.tuple = {true, 2.5};
  all.map = {{"a", 1}, {"b", 2}};
  all.lists = {{"x", {1, 2}}, {"y", {}}};
  all.any = Value::Map{{"deep", Value::Array{nullptr, 1.0}}};
  auto back = from_value<Everything>(to_value(all));
  REQUIRE(back);
  CHECK(*back == all);
  CHECK(from_value<Nothing>(to_value(Nothing{})));
}

TEST_CASE("a struct is a map of its fields, durations are seconds and times are ISO 8601") {
  CHECK(to_value(Item{"cup", 2.5}) == Value::Map{{"name", "cup"}, {"price", 2.5}});
  CHECK(to_value(90s) == 90);
  CHECK(to_value(1500ms) == 1.5);
  CHECK(to_value(WallTime(0s)) == "1970-01-01T00:00:00+00:00");
  CHECK(to_value("text") == "text");
  CHECK(to_value(Color::green) == 2);
  CHECK(*from_value<std::chrono::milliseconds>(Value(0.0301)) == 30ms);
  CHECK(*from_value<double>(Value(3)) == 3.0);
}

TEST_CASE("fields that may be missing keep their default") {
  auto read = from_value<Order>(order());
  REQUIRE(read);
  CHECK(read->priority == 5);
  CHECK(read->note == std::nullopt);
  CHECK(read->items == std::vector<Item>{{"cup", 2}});
}

TEST_CASE("errors name the way to the trouble and the trouble") {
  auto map = order();
  SECTION("missing") {
    map.erase(map.begin());
    CHECK(error_of<Order>(map) == "field 'to': missing");
  }
  SECTION("wrong type, deep") {
    set(map, "items",
        Value::Array{Value::Map{{"name", "a"}, {"price", 1}}, Value::Map{{"name", "b"}, {"price", "abc"}}});
    CHECK(error_of<Order>(map) == "field 'items[1].price': expected a number, got string \"abc\"");
  }
  SECTION("unknown") {
    map[1].first = "subjct";
    CHECK(error_of<Order>(map) == "field 'subjct': unknown; did you mean 'subject'?");
    map[1].first = "elephant";
    CHECK(error_of<Order>(map) == "field 'elephant': unknown");
  }
  SECTION("unknown, deep") {
    set(map, "items", Value::Array{Value::Map{{"nam", "a"}}});
    CHECK(error_of<Order>(map) == "field 'items[0].nam': unknown; did you mean 'name'?");
  }
  SECTION("others") {
    CHECK(error_of<Order>(Value(7)) == "expected a map, got integer 7");
    CHECK(error_of<int>("x") == "expected an integer, got string \"x\"");
    CHECK(error_of<int>(1.5) == "expected an integer, got number 1.5");
    CHECK(error_of<int>(true) == "expected an integer, got true");
    CHECK(error_of<bool>(1) == "expected a boolean, got integer 1");
    CHECK(error_of<std::uint8_t>(300) == "300 does not fit (0 to 255)");
    CHECK(error_of<std::int64_t>(~0ull) ==
          "18446744073709551615 does not fit (-9223372036854775808 to 9223372036854775807)");
    CHECK(error_of<std::string>(Bytes{"abc"}) == "expected a string, got 3 bytes");
    CHECK(error_of<std::string>(nullptr) == "expected a string, got null");
    CHECK(error_of<std::vector<int>>(Value::Array{1, "x"}) == "field '[1]': expected an integer, got string \"x\"");
    CHECK(error_of<std::pair<int, int>>(Value::Array{1}) == "expected an array of 2, got an array of 1");
    CHECK(error_of<WallTime>("noon") == "expected an ISO 8601 time, got string \"noon\"");
    CHECK(error_of<std::chrono::milliseconds>(1e300) == "a duration out of range: number 1e+300");
  }
}

TEST_CASE("parameters are bound by position") {
  auto bound = bind_parameters<int, std::string>({2, "x"}, {});
  REQUIRE(bound);
  CHECK(*bound == std::tuple<int, std::string>(2, "x"));
  CHECK(bind_parameters<>({}, {}));
  CHECK(*bind_parameters<int, std::optional<int>>({2}, {}) == std::tuple<int, std::optional<int>>(2, std::nullopt));

  auto error = [](auto result) { return result ? std::string("no error") : result.error().message; };
  CHECK(error(bind_parameters<int, int>({1, "x"}, {})) == "argument 2: expected an integer, got string \"x\"");
  CHECK(error(bind_parameters<Item>({Value::Map{{"name", "a"}}}, {})) == "argument 1, field 'price': missing");
  CHECK(error(bind_parameters<int, int>({1}, {})) == "takes 2 arguments, got 1");
  CHECK(error(bind_parameters<int, std::optional<int>>({}, {})) == "takes 1 to 2 arguments, got 0");
  CHECK(error(bind_parameters<>({1}, {})) == "takes no arguments, got 1");
  CHECK(error(bind_parameters<int>({1}, {{"x", 2}})) == "takes no keyword arguments, got 'x'");
}

TEST_CASE("a struct is bound by position and by name") {
  const Value::Array items{Value::Map{{"name", "cup"}, {"price", 2}}};
  const Order expected{"ann", "tea", {{"cup", 2}}, std::nullopt, 7};
  auto bound = bind_struct<Order>({"ann", "tea"}, {{"priority", 7}, {"items", items}});
  REQUIRE(bound);
  CHECK(*bound == expected);

  auto error = [](auto result) { return result ? std::string("no error") : result.error().message; };
  CHECK(error(bind_struct<Order>({"ann"}, order())) == "argument 'to' given twice");
  CHECK(error(bind_struct<Order>({"ann"}, {})) == "field 'subject': missing");
  CHECK(error(bind_struct<Order>({1}, {})) == "argument 1: expected a string, got integer 1");
  CHECK(error(bind_struct<Item>({"a", 1, 2}, {})) == "takes at most 2 arguments, got 3");
  CHECK(error(bind_struct<Item>({"a"}, {{"prise", 1}})) == "field 'prise': unknown; did you mean 'price'?");
}

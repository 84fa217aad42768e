#include "base/reflect.h"

#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace wherry;

namespace reflect_test {

struct Empty {};
struct One {
  int only = 0;
};
struct Mail {
  std::string to;
  std::optional<int> size_2;
  std::vector<One> parts;
};
struct Wide {
  int a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24;
};

}  // namespace reflect_test

using namespace reflect_test;

TEST_CASE("A struct's fields are counted and named in their order") {
  STATIC_REQUIRE(reflect::field_count<Empty> == 0);
  STATIC_REQUIRE(reflect::field_count<One> == 1);
  STATIC_REQUIRE(reflect::field_count<Mail> == 3);
  STATIC_REQUIRE(reflect::field_count<Wide> == 24);
  CHECK(reflect::field_names<Empty>().empty());
  CHECK(reflect::field_names<One>()[0] == "only");
  constexpr auto mail = reflect::field_names<Mail>();
  CHECK(std::vector<std::string_view>(mail.begin(), mail.end()) ==
        std::vector<std::string_view>{"to", "size_2", "parts"});
  constexpr auto wide = reflect::field_names<Wide>();
  for (std::size_t i = 0; i < wide.size(); ++i) CHECK(wide[i] == "a" + std::to_string(i + 1));
}

TEST_CASE("A struct's fields are reached through their tie") {
  Mail mail{.to = "a", .size_2 = 1, .parts = {}};
  auto fields = reflect::tie(mail);
  std::get<0>(fields) = "b";
  CHECK(mail.to == "b");
  CHECK(&std::get<2>(fields) == &mail.parts);
  const Mail& fixed = mail;
  STATIC_REQUIRE(std::is_same_v<decltype(std::get<0>(reflect::tie(fixed))), const std::string&>);
}

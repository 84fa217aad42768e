#include "broker/admin/paging.h"

#include <catch2/catch.hpp>

#include "broker/control/json.h"

using namespace wherry;
using namespace wherry::broker;
using Query = std::map<std::string, std::string>;

namespace {

amqp::FieldArray rows_of(const std::string& json) {
  auto table = control::parse_object("{\"rows\":" + json + "}");
  REQUIRE(table);
  return *table->find("rows")->get<amqp::FieldArray>();
}

std::string page(const std::string& json, const Query& query) {
  auto out = admin::paged(rows_of(json), query);
  return out ? control::to_json(*out) : std::to_string(out.error().status) + " " + out.error().reason;
}

constexpr const char* three = R"([{"name":"b","n":{"x":2}},{"name":"A","n":{"x":10}},{"name":"c"}])";

}  // namespace

TEST_CASE("a listing without a query is as it was") {
  CHECK(page(three, {}) == three);
}

TEST_CASE("rows are sorted by a field inside an object, numbers by their value, what lacks it first") {
  CHECK(page(three, {{"sort", "n.x"}, {"columns", "name"}}) == R"([{"name":"c"},{"name":"b"},{"name":"A"}])");
  CHECK(page(three, {{"sort", "n.x"}, {"sort_reverse", "true"}, {"columns", "name"}}) ==
        R"([{"name":"A"},{"name":"b"},{"name":"c"}])");
}

TEST_CASE("columns keep the objects that they are in") {
  CHECK(page(three, {{"columns", "n.x"}}) == R"([{"n":{"x":2}},{"n":{"x":10}},{}])");
}

TEST_CASE("a page says how many there are") {
  CHECK(
      page(three, {{"page", "2"}, {"page_size", "2"}, {"columns", "name"}}) ==
      R"({"filtered_count":3,"item_count":1,"page":2,"page_count":2,"page_size":2,"total_count":3,"items":[{"name":"c"}]})");
  CHECK(page("[]", {{"page", "1"}}).find(R"("page_count":1)") != std::string::npos);
}

TEST_CASE("names are found by a part of them, or by an expression, whatever the case") {
  CHECK(page(three, {{"page", "1"}, {"name", "a"}, {"columns", "name"}}).find(R"("filtered_count":1)") !=
        std::string::npos);
  CHECK(page(three, {{"page", "1"}, {"name", "^[ab]$"}, {"use_regex", "true"}}).find(R"("filtered_count":2)") !=
        std::string::npos);
}

TEST_CASE("a page that is not there is refused, and so is what is no number") {
  CHECK(page(three, {{"page", "3"}, {"page_size", "2"}}) == "400 there are 2 pages");
  for (const char* number : {"0", "-1", "x", "1x", "", "99999999999999999999999"}) {
    CHECK(page(three, {{"page", number}}).starts_with("400 "));
  }
  CHECK(page(three, {{"page", "1"}, {"page_size", "501"}}) == "400 page_size is at most 500");
  CHECK(page(three, {{"page", "1"}, {"name", "("}, {"use_regex", "true"}}).starts_with("400 name is no regular"));
}

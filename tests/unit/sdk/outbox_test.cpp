#include <catch2/catch.hpp>
#include <wherry/outbox.h>

#include "sdk/client/outbox_table.h"
#include "sdk/client/spooler.h"

using namespace std::chrono_literals;

namespace {

constexpr wherry::Function<int(int, int)> add{"math.add"};

std::string bytes_of(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  }
  return out;
}

template <class F>
wherry::Errc outbox_error(F f) {
  try {
    f();
  } catch (const wherry::ClientError& e) {
    return e.code();
  }
  throw std::runtime_error("nothing was thrown");
}

}  // namespace

TEST_CASE("an outbox's statement holds the task's message and nothing that could be SQL", "[outbox]") {
  for (const auto database : {wherry::OutboxDatabase::sqlite, wherry::OutboxDatabase::postgresql}) {
    const wherry::Outbox outbox({.database = database, .table = "shop.outbox"});
    const auto insert =
        outbox.insert(add(2, 3), {.countdown = 1h, .queue = "it's", .task_id = "a'); DROP TABLE x; --"});
    CHECK(insert.task_id == "a'); DROP TABLE x; --");
    CHECK(insert.sql.starts_with("INSERT INTO shop.outbox (task_id, message) VALUES ("));
    CHECK(insert.sql.find("DROP") == std::string::npos);
    const std::size_t end = insert.sql.rfind(database == wherry::OutboxDatabase::sqlite ? "')" : "', 'hex'))");
    const std::size_t begin = insert.sql.rfind('\'', end - 1) + 1;
    const auto now = std::chrono::system_clock::now();
    const auto decoded = wherry::sdk::decode_spooled(bytes_of(insert.sql.substr(begin, end - begin)), now);
    REQUIRE(decoded);
    CHECK(decoded->task == "math.add");
    CHECK(decoded->out.queue == "it's");
    CHECK(decoded->out.task_id == insert.task_id);
    CHECK(decoded->out.delay > 59min);
    CHECK(decoded->out.delay <= 1h);
    CHECK(*decoded->out.message.properties.headers->string("task") == "math.add");
  }
}

TEST_CASE("an outbox's table has a name that is one", "[outbox]") {
  for (const char* name : {"wherry_outbox", "shop.outbox", "_a1", "A"}) CHECK(wherry::sdk::is_table_name(name));
  for (const char* name : {"", ".", "a.", ".b", "a.b.c", "1a", "a b", "a;b", "a'b", "ä"}) {
    CAPTURE(name);
    CHECK_FALSE(wherry::sdk::is_table_name(name));
    CHECK(outbox_error([&] { wherry::Outbox({.table = name}); }) == wherry::Errc::invalid_argument);
  }
  CHECK_FALSE(wherry::sdk::is_table_name(std::string(64, 'a')));
}

TEST_CASE("options that do not go with an outbox are refused", "[outbox]") {
  const wherry::Outbox outbox;
  CHECK(outbox_error([&] { outbox.insert(add(1, 2), {.unique = wherry::Unique{.key = "a"}}); }) ==
        wherry::Errc::invalid_argument);
  CHECK(outbox_error([&] { outbox.insert(add(1, 2), {.countdown = -1s}); }) == wherry::Errc::invalid_argument);
}

// What is SQLite's own: the file's tables, and those who share it.
#include "sdk/results/sqlite/database.h"
#include "sdk/results/sqlite/url.h"
#include "tests/unit/results/bench.h"

using namespace wherry;
using namespace wherry::results;
using namespace wherry::results::test;

namespace {

struct File {
  Folder folder;
  std::string path = (folder.path() / "results.db").string();
  std::string url = "sqlite:///" + path;
};

}  // namespace

TEST_CASE("a sqlite URL names a file", "[sqlite]") {
  CHECK(parse_sqlite_url("sqlite:///results.db") == "results.db");
  CHECK(parse_sqlite_url("sqlite:////var/lib/results.db") == "/var/lib/results.db");
  CHECK_FALSE(parse_sqlite_url("sqlite:///"));
  CHECK_FALSE(parse_sqlite_url("sqlite://results.db"));
}

TEST_CASE("results can be queried as text and JSON", "[sqlite]") {
  File file;
  Bench bench(file.url);
  auto meta = succeeded("t", task::Value::Map{{"total", 7}});
  meta.date_done = WallTime(std::chrono::seconds(1'700'000'000)) + 250ms;
  REQUIRE(bench.store(meta));
  Database db(file.path, 2s);
  Query query(db,
              "SELECT json_extract(result_json, '$.total'), date_done FROM celery_taskmeta WHERE status = 'SUCCESS'");
  REQUIRE(query.next());
  CHECK(query.integer(0) == 7);
  CHECK(query.text(1) == "2023-11-14 22:13:20.250000");
}

TEST_CASE("a table that Celery made first gets our columns, and keeps its rows", "[sqlite]") {
  File file;
  {
    Database db(file.path, 2s);
    db.run(
        "CREATE TABLE celery_taskmeta (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, task_id VARCHAR(155), "
        "status VARCHAR(50), result BLOB, date_done DATETIME, traceback TEXT, UNIQUE (task_id));"
        "INSERT INTO celery_taskmeta (task_id, status, result, date_done) VALUES "
        "('old', 'SUCCESS', x'80034b072e', '2026-01-31 12:00:00.500000');");
  }
  for (int i = 0; i < 2; ++i) {
    Bench bench(file.url);
    const auto old = *bench.get("old");
    REQUIRE(old);
    CHECK(old->result == task::Value(7));
    CHECK(old->date_done.has_value());
    REQUIRE(bench.store(succeeded("new", 1)));
  }
}

TEST_CASE("a watch hears what others write into the file, and what it cannot read harms nobody", "[sqlite]") {
  File file;
  Bench bench(file.url);
  Ear ear(bench, "t");
  Ear other(bench, "u");
  REQUIRE(bench.store(succeeded("x", 1)));
  Database db(file.path, 10s);
  // A pickled object of Python's, then a plain one.
  db.run("INSERT INTO celery_taskmeta (task_id, status, result) VALUES ('u', 'SUCCESS', x'80036361')");
  db.run("INSERT INTO celery_taskmeta (task_id, status, result) VALUES ('t', 'STARTED', NULL)");
  ear.wait("STARTED");
  db.run("UPDATE celery_taskmeta SET status = 'SUCCESS', result = x'80034b072e' WHERE task_id = 't'");
  CHECK(ear.wait("SUCCESS").result == task::Value(7));
  CHECK(other.count() == 0);
  const auto read = bench.get("u");
  REQUIRE(!read);
  CHECK(read.error().kind == Failure::Kind::refused);
}

TEST_CASE("while another writer holds the file, questions wait for it, until their deadline", "[sqlite]") {
  File file;
  Bench bench(file.url);
  REQUIRE(bench.store(succeeded("t", 1)));
  Database db(file.path, 2s);
  db.run("BEGIN IMMEDIATE");
  CHECK((*bench.get("t"))->result == task::Value(1));
  const auto late = bench.store(succeeded("late", 1), std::chrono::steady_clock::now() + 50ms);
  REQUIRE(!late);
  CHECK(late.error().kind != Failure::Kind::refused);
  std::promise<Outcome<void>> stored;
  bench.on_loop([&] {
    bench.backend().store(succeeded("patient", 1), soon(), [&](Outcome<void> outcome) { stored.set_value(outcome); });
  });
  db.run("COMMIT");
  CHECK(stored.get_future().get());
}

TEST_CASE("a folder that is made later is waited for", "[sqlite]") {
  File file;
  const auto folder = file.folder.path() / "later";
  Bench bench("sqlite:///" + (folder / "results.db").string());
  Ear ear(bench, "t");
  const auto late = bench.store(succeeded("t", 1), std::chrono::steady_clock::now() + 50ms);
  REQUIRE(!late);
  CHECK(late.error().message.find("unable to open") != std::string::npos);
  std::filesystem::create_directory(folder);
  REQUIRE(bench.store(succeeded("t", 2)));
  CHECK(ear.wait("SUCCESS").result == task::Value(2));
}

// What is PostgreSQL's own: its tables, and what Python writes into them.
#include "tests/unit/results/postgres_server.h"

using namespace wherry;
using namespace wherry::results;
using namespace wherry::results::test;

TEST_CASE("a PostgreSQL URL is libpq's, and a wrong one is told without its password", "[postgres]") {
  CHECK(check_postgres_url("postgresql://ann:secret@[::1]:5433/db?sslmode=disable"));
  const auto wrong = check_postgres_url("postgresql://ann:secret@h:5432/db?nonsense=1");
  REQUIRE(!wrong);
  CHECK(wrong.error().message.find("secret") == std::string::npos);
}

TEST_CASE("results can be queried as JSON, and what JSON cannot say is kept all the same", "[postgres]") {
  PgServer server;
  Bench bench(server.url());
  auto meta = succeeded("t", task::Value::Map{{"total", 7}});
  meta.date_done = WallTime(std::chrono::seconds(1'700'000'000)) + 250ms;
  REQUIRE(bench.store(meta));
  const auto zero = succeeded("zero", std::string("a\0b", 3));
  REQUIRE(bench.store(zero));
  CHECK(*bench.get("zero") == zero);
  PgConnection db(server.url(), "test", soon());
  const PgRows rows =
      db.query("SELECT result_json ->> 'total', date_done FROM celery_taskmeta WHERE task_id = $1", {"t"});
  REQUIRE(rows.count() == 1);
  CHECK(rows.text(0, 0) == "7");
  CHECK(rows.text(0, 1) == "2023-11-14 22:13:20.25");
}

TEST_CASE("a table that Celery made first is used, and what Python writes is heard", "[postgres]") {
  PgServer server;
  PgConnection db(server.url(), "test", soon());
  db.run(
      "CREATE SEQUENCE task_id_sequence;"
      "CREATE TABLE celery_taskmeta (id INTEGER NOT NULL, task_id VARCHAR(155), status VARCHAR(50), result BYTEA, "
      "date_done TIMESTAMP WITHOUT TIME ZONE, traceback TEXT, PRIMARY KEY (id), UNIQUE (task_id));"
      "INSERT INTO celery_taskmeta VALUES (nextval('task_id_sequence'), 'old', 'SUCCESS', '\\x80034b072e', now(), "
      "NULL)");
  Bench bench(server.url());
  CHECK((*bench.get("old"))->result == task::Value(7));
  Ear ear(bench, "t");
  REQUIRE(bench.store(succeeded("x", 1)));
  db.run("INSERT INTO celery_taskmeta VALUES (nextval('task_id_sequence'), 't', 'STARTED', NULL, NULL, NULL)");
  ear.wait("STARTED");
  db.run("UPDATE celery_taskmeta SET status = 'SUCCESS', result = '\\x80034b072e' WHERE task_id = 't'");
  CHECK(ear.wait("SUCCESS").result == task::Value(7));
}

TEST_CASE("many that open an empty database at once do not get into each other's way", "[postgres]") {
  PgServer server;
  std::vector<std::unique_ptr<Bench>> all;
  for (int i = 0; i < 8; ++i) all.push_back(std::make_unique<Bench>(server.url()));
  for (int i = 0; i < 8; ++i) CHECK(all[static_cast<std::size_t>(i)]->store(succeeded("t", i)));
}

TEST_CASE("a connection that an operator ends is made again", "[postgres]") {
  PgServer server;
  Bench bench(server.url(), {.name = "to be ended"});
  Ear ear(bench, "t");
  Ear ready(bench, "ready");
  REQUIRE(bench.store(succeeded("ready", 1)));
  ready.wait("SUCCESS");
  PgCluster::get().run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'to be ended'");
  Bench writer(server.url());
  REQUIRE(writer.store(succeeded("t", 7)));
  CHECK(ear.wait("SUCCESS").result == task::Value(7));
}

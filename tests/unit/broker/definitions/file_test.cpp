#include <fstream>

#include <sys/stat.h>

#include "tests/unit/broker/definitions/topology.h"

using namespace wherry::broker;
using namespace wherry::broker::test;
using Catch::Matchers::Contains;

namespace fs = std::filesystem;

namespace {

std::unique_ptr<DefinitionsFile> open_loaded(const Directory& directory) {
  auto file = DefinitionsFile::open(directory.file());
  REQUIRE(file);
  Listing listing;
  const auto loaded = (*file)->load(listing);
  INFO((loaded ? "" : loaded.error().message));
  REQUIRE(loaded);
  return std::move(*file);
}

void commit(DefinitionsFile& file, const std::vector<TopologyChange>& changes) {
  REQUIRE(file.commit(changes, 1000));
}

// Refused with that text, and nothing in the directory is different afterwards.
void check_refused(const Directory& directory, const std::string& text) {
  const auto before = directory.contents();
  CHECK_THAT(refusal_of(directory.file()), Contains(text));
  CHECK(directory.contents() == before);
}

}  // namespace

TEST_CASE("definitions: a file that is not there is made, empty") {
  Directory directory;
  CHECK(listing_of(directory.file()).empty());
  CHECK(listing_of(directory.file()).empty());
  CHECK(fs::exists(directory.file()));
}

TEST_CASE("definitions: what was committed is there after reopening, each property of it") {
  Directory directory;
  {
    auto file = open_loaded(directory);
    commit(*file, {vhost("/"), exchange("logs"), queue("errors", 5), queue("mails", 6),
                   binding("logs", "errors", "*.error"), binding("logs", "mails", "#")});
    commit(*file, {binding("logs", "mails", "#", false), queue("mails", 6, false)});
  }
  CHECK(listing_of(directory.file()) ==
        std::vector<std::string>{"vhost /", "/ exchange logs topic auto_delete internal {x-max-length: 7}",
                                 "/ queue errors id 5 home 1 auto_delete {x-max-length: 7}",
                                 "/ binding logs -*.error-> queue errors {x-max-length: 7}"});
}

TEST_CASE("definitions: names are bytes, whatever they are") {
  Directory directory;
  const std::string name("a\0\xff\xc3'\"", 6);
  {
    auto file = open_loaded(directory);
    commit(*file, {queue(name, 1), exchange(name), binding(name, name, name)});
  }
  const auto lines = listing_of(directory.file());
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].starts_with("/ queue " + name + " id 1"));
  {
    auto file = open_loaded(directory);
    commit(*file, {binding(name, name, name, false), queue(name, 1, false), exchange(name, false)});
  }
  CHECK(listing_of(directory.file()).empty());
}

TEST_CASE("definitions: a setting replaces the one before, and goes") {
  Directory directory;
  {
    auto file = open_loaded(directory);
    commit(*file, {parameter("p", 1), parameter("q", 5)});
    commit(*file, {parameter("p", 1, false), parameter("p", 2)});
    commit(*file, {parameter("q", 5, false)});
  }
  CHECK(listing_of(directory.file()) == std::vector<std::string>{"/ policy p {value: 2}"});
  SECTION("one that somebody changed is found") {
    directory.run_sql("UPDATE parameters SET name = 'r'");
    check_refused(directory, "the checksum of a row is wrong");
  }
  SECTION("one that somebody removed is found") {
    directory.run_sql("DELETE FROM parameters");
    check_refused(directory, "rows are missing");
  }
}

TEST_CASE("definitions: a file of version 1 is read and becomes one of version 2") {
  Directory directory;
  commit(*open_loaded(directory), {vhost("/"), queue("q", 1)});
  directory.run_sql("DROP TABLE parameters; PRAGMA user_version = 1");
  SECTION("when it is sound") {
    CHECK(listing_of(directory.file()).size() == 2);
    commit(*open_loaded(directory), {parameter("p", 1)});
    CHECK(listing_of(directory.file()).size() == 3);
  }
  SECTION("and stays as it is when it is damaged") {
    directory.run_sql("UPDATE queues SET name = 'p'");
    check_refused(directory, "the checksum of a row is wrong");
  }
  SECTION("but not with a table of version 2 missing under version 2") {
    directory.run_sql("PRAGMA user_version = 2");
    check_refused(directory, "a table is missing");
  }
}

TEST_CASE("definitions: ids are reserved for good, even when their queues are gone") {
  Directory directory;
  {
    auto file = open_loaded(directory);
    CHECK(file->queue_ids_below() == 1);
    REQUIRE(file->commit({}, 500));
    commit(*file, {queue("q", 7)});
    commit(*file, {queue("q", 7, false)});
    REQUIRE(file->commit({}, 3));
  }
  CHECK(open_loaded(directory)->queue_ids_below() == 1000);
}

TEST_CASE("definitions: the log of a run that was killed is read, and a tidy file needs no log") {
  Directory directory;
  Directory copy;
  auto file = open_loaded(directory);
  commit(*file, {vhost("/"), queue("q", 1)});
  // What a killed process leaves.
  for (const auto& [name, bytes] : directory.contents()) {
    std::ofstream(copy.path() / name, std::ios::binary) << bytes;
  }
  CHECK(fs::exists(copy.file().string() + "-wal"));
  CHECK(listing_of(copy.file()).size() == 2);

  REQUIRE(file->tidy());
  Directory alone;
  alone.write(directory.read());
  CHECK(listing_of(alone.file()).size() == 2);
}

TEST_CASE("definitions: one transaction is all or nothing") {
  Directory directory;
  auto file = open_loaded(directory);
  commit(*file, {queue("a", 1)});
  const auto failed = file->commit(std::vector{queue("b", 2), queue("never there", 3, false)}, 1000);
  REQUIRE_FALSE(failed);
  CHECK_THAT(failed.error().message, Contains("definitions.sqlite") && Contains("is not there"));
  CHECK_FALSE(failed.error().may_pass);
  commit(*file, {queue("c", 4)});
  file.reset();
  CHECK(listing_of(directory.file()).size() == 2);
}

TEST_CASE("definitions: what is no definitions file is refused and left alone") {
  Directory directory;
  SECTION("an empty file") {
    directory.write("");
    check_refused(directory, "the file is empty. Restore it from a backup, or move the whole data directory away");
  }
  SECTION("a text") {
    directory.write(std::string(5000, 'x'));
    check_refused(directory, "this is not an SQLite database");
  }
  SECTION("the first bytes of one") {
    directory.write(std::string("SQLite format 3\0", 16));
    check_refused(directory, "this is not an SQLite database");
  }
  SECTION("a directory") {
    fs::create_directory(directory.file());
    check_refused(directory, "this is a directory, where the broker keeps a file");
  }
  SECTION("another program's database") {
    directory.run_sql("CREATE TABLE notes (text TEXT)");
    check_refused(directory, "another program's SQLite database (application_id 0x0)");
  }
  SECTION("a log without its file") {
    std::ofstream(directory.file().string() + "-wal") << "x";
    check_refused(directory, "its log definitions.sqlite-wal is there");
  }
}

TEST_CASE("definitions: a file that is missing beside messages is not made anew") {
  Directory directory;
  fs::create_directory(directory.path() / "shard-0");
  check_refused(directory, "the file is missing, but messages are there (shard-0)");
}

TEST_CASE("definitions: a newer, a read-only or a busy file is refused and left alone") {
  Directory directory;
  commit(*open_loaded(directory), {vhost("/"), queue("q", 1)});
  SECTION("newer") {
    directory.run_sql("PRAGMA user_version = 3");
    check_refused(directory,
                  "its format is version 3, and this wherry-broker knows version 2: run the wherry-broker "
                  "that wrote it");
  }
  SECTION("read-only") {
    ::chmod(directory.file().c_str(), 0444);
    check_refused(directory, "the file is read-only: allow its owner to write to it");
  }
  SECTION("open elsewhere") {
    auto other = open_loaded(directory);
    CHECK_THAT(refusal_of(directory.file()), Contains("another program has it open: close that one first"));
    commit(*other, {queue("p", 2)});
    other.reset();
    CHECK(listing_of(directory.file()).size() == 3);
  }
  SECTION("with a row that somebody changed") {
    directory.run_sql("UPDATE queues SET name = 'p'");
    check_refused(directory, "the checksum of a row is wrong");
  }
  SECTION("with a row that somebody removed") {
    directory.run_sql("DELETE FROM queues");
    check_refused(directory, "rows are missing");
  }
  SECTION("with a table that is not ours") {
    directory.run_sql("CREATE TABLE more (a)");
    check_refused(directory, "'more' is none of its tables");
  }
  SECTION("analyzed: that is fine") {
    directory.run_sql("ANALYZE");
    CHECK(listing_of(directory.file()).size() == 2);
  }
}

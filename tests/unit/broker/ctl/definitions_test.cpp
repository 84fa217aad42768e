#include <catch2/catch.hpp>

#include "broker/ctl/definitions_view.h"
#include "tests/unit/broker/definitions/topology.h"

using namespace wherry::broker;
using namespace wherry::broker::test;

TEST_CASE("queues have the names that the definitions give them, and looking changes nothing") {
  Directory directory;
  {
    auto file = DefinitionsFile::open(directory.file());
    REQUIRE(file);
    Listing nothing;
    REQUIRE((*file)->load(nothing));
    const std::vector<TopologyChange> changes{vhost("/"), queue("jobs", 7), queue("mail", 9)};
    REQUIRE((*file)->commit(changes, 100));
    // What a killed broker leaves: rows that are in the write-ahead log only.
    const auto before = directory.contents();
    const auto view = view_definitions(directory.path());
    REQUIRE(view);
    CHECK(view->findings.empty());
    CHECK(view->queues == 2);
    CHECK(view->names.brief(7) == "jobs");
    CHECK(view->names.id_of("mail") == 9u);
    CHECK(directory.contents() == before);
  }
  CHECK(view_definitions(directory.path())->queues == 2);
}

TEST_CASE("damaged definitions are one finding, which says what to do and names the file itself") {
  Directory directory;
  directory.write(
      "this is no database, and never was; but it is longer than a header of one hundred bytes would have been");
  const auto before = directory.contents();
  const auto view = view_definitions(directory.path());
  REQUIRE(view);
  REQUIRE(view->findings.size() == 1);
  CHECK(view->findings[0].file == directory.file().string());
  CHECK(view->findings[0].note.find(directory.file().string()) != std::string::npos);
  CHECK(view->findings[0].note.find("wherryctl-") == std::string::npos);
  CHECK_FALSE(view->findings[0].harmless());
  CHECK(directory.contents() == before);
}

TEST_CASE("a directory without definitions has none") {
  Directory directory;
  const auto view = view_definitions(directory.path());
  REQUIRE(view);
  CHECK_FALSE(view->there);
  CHECK(view->text() == "no definitions");
}

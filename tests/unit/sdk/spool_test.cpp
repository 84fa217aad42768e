#include "sdk/spool/spool.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include <catch2/catch.hpp>

#include "base/log.h"

using namespace wherry;
using namespace wherry::sdk;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    log::set_level(log::Level::off);
    std::string pattern = (fs::temp_directory_path() / "wherry-spool-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string spool() const { return (path_ / "spool").string(); }
  fs::path file(const std::string& name) const { return path_ / "spool" / name; }
  std::vector<fs::path> segments() const {
    std::vector<fs::path> found;
    for (const auto& each : fs::directory_iterator(spool())) {
      if (each.path().filename().string().size() == 22) found.push_back(each.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

 private:
  fs::path path_;
};

std::unique_ptr<Spool> opened(const Folder& folder, std::uint64_t max_bytes = 1 << 20,
                              std::uint64_t segment_bytes = 200) {
  auto spool = Spool::open({.folder = folder.spool(), .max_bytes = max_bytes, .segment_bytes = segment_bytes});
  INFO((spool ? "" : spool.error().message));
  REQUIRE(spool);
  return *std::move(spool);
}

void append(Spool& spool, const std::string& payload) {
  auto appended = spool.append(payload);
  REQUIRE(appended);
  REQUIRE(*appended == Spool::Appended::yes);
}

std::vector<Spool::Record> all(Spool& spool) {
  std::vector<Spool::Record> out;
  for (;;) {
    auto record = spool.next();
    INFO((record ? "" : record.error().message));
    REQUIRE(record);
    if (!*record) return out;
    out.push_back(*std::move(*record));
  }
}

std::vector<std::string> payloads(Spool& spool) {
  std::vector<std::string> out;
  for (auto& each : all(spool)) out.push_back(std::move(each.payload));
  return out;
}

std::vector<std::string> numbered(int from, int to) {
  std::vector<std::string> out;
  for (int i = from; i < to; ++i) out.push_back("payload " + std::to_string(i));
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("records come in order, also those that are appended meanwhile", "[spool]") {
  Folder folder;
  auto spool = opened(folder);
  CHECK(spool->size() == 0);
  CHECK(all(*spool).empty());
  append(*spool, "a");
  append(*spool, "");
  CHECK(payloads(*spool) == Texts{"a", ""});
  append(*spool, "c");
  CHECK(payloads(*spool) == Texts{"c"});
  CHECK(spool->size() == 3);
  spool->rewind();
  CHECK(payloads(*spool) == Texts{"a", "", "c"});
}

TEST_CASE("what is done does not come again, in whatever order it was done", "[spool]") {
  Folder folder;
  {
    auto spool = opened(folder);
    for (const auto& each : numbered(0, 50)) append(*spool, each);
    const auto records = all(*spool);
    for (std::size_t i : {3u, 1u, 0u, 2u, 40u}) spool->done(records[i].number);
    CHECK(spool->size() == 45);
    spool->rewind();
    auto left = payloads(*spool);
    CHECK(left.size() == 45);
    CHECK(left.front() == "payload 4");
    CHECK(std::count(left.begin(), left.end(), "payload 40") == 0);
  }
  // The head is known; that one behind it was done is not.
  auto spool = opened(folder);
  CHECK(payloads(*spool) == numbered(4, 50));
}

TEST_CASE("segments that are done are deleted, and numbers go on", "[spool]") {
  Folder folder;
  std::uint64_t last = 0;
  {
    auto spool = opened(folder);
    for (const auto& each : numbered(0, 50)) append(*spool, each);
    CHECK(folder.segments().size() > 3);
    for (const auto& record : all(*spool)) {
      spool->done(record.number);
      last = record.number;
    }
    CHECK(folder.segments().empty());
    CHECK(spool->size() == 0);
  }
  auto spool = opened(folder);
  append(*spool, "next");
  const auto records = all(*spool);
  REQUIRE(records.size() == 1);
  CHECK(records[0].number == last + 1);
}

TEST_CASE("a full spool takes nothing until something is done", "[spool]") {
  Folder folder;
  auto spool = opened(folder, 1000);
  int count = 0;
  while (spool->append(std::string(50, 'x')).value() == Spool::Appended::yes) ++count;
  CHECK(count > 10);
  CHECK(count < 20);
  for (const auto& record : all(*spool)) spool->done(record.number);
  CHECK(spool->append("x").value() == Spool::Appended::yes);
}

TEST_CASE("a tail that was torn at any byte is cut, and what was before it is there", "[spool]") {
  Folder folder;
  {
    auto spool = opened(folder, 1 << 20, 1 << 20);
    for (const auto& each : numbered(0, 3)) append(*spool, each);
  }
  const fs::path segment = folder.segments().at(0);
  const auto whole = fs::file_size(segment);
  const auto two = whole - 8 - std::string("payload 2").size();
  for (auto size = two; size < whole; ++size) {
    CAPTURE(size);
    Folder torn;
    fs::copy(folder.spool(), torn.spool());
    fs::resize_file(torn.segments().at(0), size);
    {
      auto spool = opened(torn);
      append(*spool, "new");
      CHECK(payloads(*spool) == Texts{"payload 0", "payload 1", "new"});
    }
    auto spool = opened(torn);
    CHECK(payloads(*spool) == Texts{"payload 0", "payload 1", "new"});
  }
}

TEST_CASE("a file that was just made counts as empty", "[spool]") {
  for (std::size_t size = 0; size < 16; ++size) {
    Folder folder;
    { append(*opened(folder), "a"); }
    fs::resize_file(folder.segments().at(0), size);
    auto spool = opened(folder);
    append(*spool, "b");
    CHECK(payloads(*spool) == Texts{"b"});
  }
}

TEST_CASE("damage elsewhere is told with its place", "[spool]") {
  Folder folder;
  {
    auto spool = opened(folder);
    for (const auto& each : numbered(0, 50)) append(*spool, each);
  }
  const fs::path first = folder.segments().at(0);
  {
    std::fstream file(first, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(30);
    file.put('#');
  }
  auto spool = Spool::open({.folder = folder.spool()});
  REQUIRE_FALSE(spool);
  CHECK(spool.error().message == first.string() + ": damaged at byte 16");
  fs::remove(folder.segments().at(1));
  fs::remove(first);
  CHECK(Spool::open({.folder = folder.spool()}));
}

TEST_CASE("a lost or damaged head only makes done records come again", "[spool]") {
  Folder folder;
  {
    auto spool = opened(folder, 1 << 20, 1 << 20);
    for (const auto& each : numbered(0, 3)) append(*spool, each);
    spool->done(1);
  }
  { CHECK(payloads(*opened(folder)) == numbered(1, 3)); }
  { std::ofstream(folder.file("head")) << "nonsense nonsense"; }
  { CHECK(payloads(*opened(folder)) == numbered(0, 3)); }
  fs::remove(folder.file("head"));
  CHECK(payloads(*opened(folder)) == numbered(0, 3));
}

TEST_CASE("a spool has one owner", "[spool]") {
  Folder folder;
  auto spool = opened(folder);
  auto second = Spool::open({.folder = folder.spool()});
  REQUIRE_FALSE(second);
  CHECK(second.error().message == folder.spool() + ": another program has this spool");
  spool.reset();
  CHECK(Spool::open({.folder = folder.spool()}));
}

TEST_CASE("what is set aside is kept, and done", "[spool]") {
  Folder folder;
  {
    auto spool = opened(folder);
    for (const auto& each : numbered(0, 3)) append(*spool, each);
    for (const auto& record : all(*spool)) REQUIRE(spool->set_aside(record));
    CHECK(spool->size() == 0);
  }
  CHECK(fs::file_size(folder.file("set-aside.spool")) == 16 + 3 * (8 + std::string("payload 0").size()));
  CHECK(all(*opened(folder)).empty());
}

TEST_CASE("a folder that cannot be is told", "[spool]") {
  auto spool = Spool::open({.folder = "/nowhere/at/all"});
  REQUIRE_FALSE(spool);
  CHECK(spool.error().message.find("/nowhere/at/all: cannot make the spool's folder") == 0);
}

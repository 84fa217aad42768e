// The promises of vfs.h that every disk keeps.
#include "broker/store/vfs.h"

#include <cstdlib>
#include <filesystem>
#include <random>

#include <catch2/catch.hpp>

#include "broker/store/memory_vfs.h"
#include "broker/store/posix_vfs.h"
#include "broker/store/power_loss_vfs.h"

using namespace wherry::broker;

namespace {

struct OnPosix {
  OnPosix() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wherry-vfs-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    top = pattern;
  }
  ~OnPosix() { std::filesystem::remove_all(top); }
  PosixVfs disk;
  std::string top;
};

struct InMemory {
  MemoryVfs disk;
  std::string top = ".";
};

struct OnPowerLoss {
  PowerLossVfs disk{1};
  std::string top = ".";
};

std::string read(File& file, std::uint64_t offset, std::size_t count) {
  std::string bytes(count, '?');
  const auto got = file.read_at(offset, bytes.data(), count);
  REQUIRE(got);
  bytes.resize(*got);
  return bytes;
}

std::unique_ptr<File> open(Vfs& disk, const std::string& path, OpenMode mode) {
  auto file = disk.open(path, mode);
  if (!file) FAIL(file.error().message);
  return std::move(*file);
}

}  // namespace

TEMPLATE_TEST_CASE("a file reads back what was written, and says where it ends", "", OnPosix, InMemory, OnPowerLoss) {
  TestType on;
  const auto file = open(on.disk, on.top + "/a", OpenMode::create);
  REQUIRE(*file->size() == 0);
  CHECK(read(*file, 0, 10).empty());
  REQUIRE(file->write_at(0, "hello world"));
  REQUIRE(file->write_at(6, "there"));
  REQUIRE(file->write_at(3, ""));
  CHECK(read(*file, 0, 100) == "hello there");
  CHECK(read(*file, 6, 3) == "the");
  CHECK(read(*file, 11, 3).empty());
  CHECK(read(*file, 500, 3).empty());
  REQUIRE(file->sync());
  CHECK(*file->size() == 11);
}

TEMPLATE_TEST_CASE("a write beyond the end leaves zeros before it", "", OnPosix, InMemory, OnPowerLoss) {
  TestType on;
  const auto file = open(on.disk, on.top + "/a", OpenMode::create);
  REQUIRE(file->write_at(4, "x"));
  CHECK(read(*file, 0, 9) == std::string("\0\0\0\0x", 5));
}

TEMPLATE_TEST_CASE("preallocating makes a file longer, never shorter, and keeps what is in it", "", OnPosix, InMemory,
                   OnPowerLoss) {
  TestType on;
  const auto file = open(on.disk, on.top + "/a", OpenMode::create);
  REQUIRE(file->write_at(0, "kept"));
  REQUIRE(file->preallocate(8192));
  CHECK(*file->size() == 8192);
  CHECK(read(*file, 0, 6) == std::string("kept\0\0", 6));
  REQUIRE(file->preallocate(10));
  CHECK(*file->size() == 8192);
}

TEMPLATE_TEST_CASE("opening says what is there and what is not", "", OnPosix, InMemory, OnPowerLoss) {
  TestType on;
  const std::string path = on.top + "/a";
  for (const OpenMode mode : {OpenMode::read, OpenMode::write}) {
    const auto missing = on.disk.open(path, mode);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == std::errc::no_such_file_or_directory);
    CHECK(missing.error().message.find(path) != std::string::npos);
  }
  open(on.disk, path, OpenMode::create);
  const auto twice = on.disk.open(path, OpenMode::create);
  REQUIRE_FALSE(twice);
  CHECK(twice.error().code == std::errc::file_exists);
  const auto nowhere = on.disk.open(on.top + "/none/a", OpenMode::create);
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code == std::errc::no_such_file_or_directory);
  const auto readable = open(on.disk, path, OpenMode::read);
  const auto written = readable->write_at(0, "x");
  REQUIRE_FALSE(written);
  CHECK(written.error().code == std::errc::bad_file_descriptor);
}

TEMPLATE_TEST_CASE("a folder lists its own files in order of their names", "", OnPosix, InMemory, OnPowerLoss) {
  TestType on;
  const std::string folder = on.top + "/log";
  REQUIRE_FALSE(on.disk.list(folder));
  REQUIRE(on.disk.make_folder(folder));
  REQUIRE(on.disk.make_folder(folder));
  REQUIRE(on.disk.make_folder(folder + "/deeper"));
  REQUIRE_FALSE(on.disk.make_folder(on.top + "/x/y"));
  CHECK(on.disk.list(folder)->empty());
  open(on.disk, folder + "/b", OpenMode::create);
  open(on.disk, folder + "/a", OpenMode::create);
  open(on.disk, folder + "/deeper/c", OpenMode::create);
  open(on.disk, on.top + "/d", OpenMode::create);
  CHECK(*on.disk.list(folder) == std::vector<std::string>{"a", "b"});
  const auto file = on.disk.make_folder(folder + "/a");
  REQUIRE_FALSE(file);
  CHECK(file.error().code == std::errc::not_a_directory);
}

TEMPLATE_TEST_CASE("a rename replaces, and open files stay open", "", OnPosix, InMemory, OnPowerLoss) {
  TestType on;
  const auto one = open(on.disk, on.top + "/1", OpenMode::create);
  const auto two = open(on.disk, on.top + "/2", OpenMode::create);
  REQUIRE(one->write_at(0, "one"));
  REQUIRE(two->write_at(0, "two"));
  REQUIRE(on.disk.rename(on.top + "/1", on.top + "/2"));
  CHECK(*on.disk.list(on.top) == std::vector<std::string>{"2"});
  REQUIRE(one->write_at(0, "ONE"));
  CHECK(read(*open(on.disk, on.top + "/2", OpenMode::read), 0, 9) == "ONE");
  CHECK(read(*two, 0, 9) == "two");
  CHECK_FALSE(on.disk.rename(on.top + "/1", on.top + "/3"));
  REQUIRE(on.disk.remove(on.top + "/2"));
  CHECK(read(*one, 0, 9) == "ONE");
  CHECK_FALSE(on.disk.remove(on.top + "/2"));
  CHECK(on.disk.list(on.top)->empty());
  REQUIRE(on.disk.sync_folder(on.top));
  CHECK_FALSE(on.disk.sync_folder(on.top + "/none"));
}

TEMPLATE_TEST_CASE("random writes read back like those to a string", "", OnPosix, InMemory, OnPowerLoss) {
  TestType on;
  std::mt19937_64 random(7);
  const auto file = open(on.disk, on.top + "/a", OpenMode::create);
  std::string model;
  for (int step = 0; step < 300; ++step) {
    const std::size_t offset = random() % 5000;
    if (random() % 3 != 0) {
      const std::string bytes(1 + random() % 1500, static_cast<char>('a' + random() % 26));
      REQUIRE(file->write_at(offset, bytes));
      if (model.size() < offset + bytes.size()) model.resize(offset + bytes.size());
      model.replace(offset, bytes.size(), bytes);
    } else {
      if (random() % 4 == 0) REQUIRE(file->sync());
      const std::size_t count = random() % 2000;
      REQUIRE(read(*file, offset, count) == (offset < model.size() ? model.substr(offset, count) : ""));
    }
  }
  CHECK(*file->size() == model.size());
}

TEST_CASE("the folder of a path is what stands before its last name") {
  CHECK(folder_of("log/7.log") == "log");
  CHECK(folder_of("/var/lib/x/") == "/var/lib");
  CHECK(folder_of("7.log") == ".");
  CHECK(folder_of("/log") == "/");
  CHECK(folder_of("/") == "/");
}

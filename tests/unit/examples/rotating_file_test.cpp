#include "examples/tasks/rotating_file.h"

#include <set>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/unit/examples/scratch.h"

using examples::RotatingFile;

TEST_CASE("lines go to one file until the next would not fit, and keep their order over a rotation") {
  const Scratch scratch;
  RotatingFile file(scratch.path("logs/app.log"), 12, 2);
  for (const char* line : {"one", "two", "three", "four", "five", "six"}) file.write_line(line);
  CHECK(scratch.read("logs/app.log") == "five\nsix\n");
  CHECK(scratch.read("logs/app.log.1") == "three\nfour\n");
  CHECK(scratch.read("logs/app.log.2") == "one\ntwo\n");
}

TEST_CASE("only so many rotated files are kept") {
  const Scratch scratch;
  RotatingFile file(scratch.path("app.log"), 4, 1);
  for (const char* line : {"aaa", "bbb", "ccc"}) file.write_line(line);
  CHECK(scratch.read("app.log") == "ccc\n");
  CHECK(scratch.read("app.log.1") == "bbb\n");
  CHECK_FALSE(std::filesystem::exists(scratch.path("app.log.2")));
}

TEST_CASE("a file that is there already is continued") {
  const Scratch scratch;
  scratch.write("app.log", "before\n");
  RotatingFile(scratch.path("app.log"), 100, 1).write_line("after");
  CHECK(scratch.read("app.log") == "before\nafter\n");
}

TEST_CASE("a line over the limit is written whole") {
  const Scratch scratch;
  RotatingFile file(scratch.path("app.log"), 4, 1);
  file.write_line("much too long");
  CHECK(scratch.read("app.log") == "much too long\n");
}

TEST_CASE("threads that write at once lose no line and mix none") {
  const Scratch scratch;
  RotatingFile file(scratch.path("app.log"), 1'000, 100);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) file.write_line("thread " + std::to_string(t) + " line " + std::to_string(i));
    });
  }
  for (auto& thread : threads) thread.join();

  std::set<std::string> lines;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path(""))) {
    std::istringstream text(scratch.read(entry.path().filename().string()));
    for (std::string line; std::getline(text, line);) lines.insert(line);
  }
  CHECK(lines.size() == 400);
}

TEST_CASE("a folder that cannot be written to is named") {
  CHECK_THROWS_AS(RotatingFile("/proc/nowhere/app.log", 10, 1), std::system_error);
}

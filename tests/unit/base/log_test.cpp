#include "base/log.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace wherry;

namespace {

// What a process of its own writes to standard error: whether it is the journal's is found out once a process.
std::string logged(bool journal, log::Format format) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    struct stat file {};
    ::fstat(STDERR_FILENO, &file);
    const std::string stream = std::to_string(file.st_dev) + ":" + std::to_string(file.st_ino);
    ::setenv("JOURNAL_STREAM", journal ? stream.c_str() : "1:1", 1);
    log::set_level(log::Level::info);
    log::set_format(format);
    log::debug("room", "not this");
    log::warning("room", "{} of {}", 1, 2);
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text(4096, '\0');
  const ssize_t got = ::read(ends[0], text.data(), text.size());
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return text;
}

std::string line(std::string_view text) {
  return log::as_json(log::Level::info, "room", text, "T");
}

}  // namespace

TEST_CASE("a line as JSON is one object, whatever its text", "[log]") {
  CHECK(line("a \"b\"\nc\xff") == R"({"ts":"T","level":"info","room":"room","message":"a \"b\"\u000ac)"
                                  "\xef\xbf\xbd\"}");
}

TEST_CASE("a scope's fields are on the lines of its thread while it lives", "[log]") {
  const log::Field outer[] = {{"task_id", "17"}, {"attempt", std::int64_t{2}}};
  {
    const log::Scope scope(outer);
    const log::Field inner[] = {{"queue", "email"}, {"trace_id", ""}};
    {
      const log::Scope within(inner);
      CHECK(line("x") ==
            R"({"ts":"T","level":"info","room":"room","message":"x","queue":"email","task_id":"17","attempt":2})");
    }
    CHECK(line("x") == R"({"ts":"T","level":"info","room":"room","message":"x","task_id":"17","attempt":2})");
    std::string elsewhere;
    std::thread([&] { elsewhere = line("x"); }).join();
    CHECK(elsewhere == R"({"ts":"T","level":"info","room":"room","message":"x"})");
  }
  CHECK(line("x") == R"({"ts":"T","level":"info","room":"room","message":"x"})");
}

TEST_CASE("a line is for people or for machines, and the journal gets its priority", "[log]") {
  using Catch::Matchers::Matches;
  const std::string time = R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})";
  CHECK_THAT(logged(false, log::Format::text), Matches(time + R"([+-]\d\d:\d\d warning room: 1 of 2\n)"));
  CHECK_THAT(logged(false, log::Format::json),
             Matches(R"(\{"ts":")" + time + R"(Z","level":"warning","room":"room","message":"1 of 2"\}\n)"));
  CHECK(logged(true, log::Format::text) == "<4>room: 1 of 2\n");
  CHECK_THAT(logged(true, log::Format::json), Matches(R"(<4>\{"ts".*"message":"1 of 2"\}\n)"));
}

TEST_CASE("levels and formats are known by their names", "[log]") {
  log::Level level = log::Level::off;
  CHECK(log::parse_level("warning", level));
  CHECK(level == log::Level::warning);
  CHECK_FALSE(log::parse_level("warn", level));
  log::Format format = log::Format::text;
  CHECK(log::parse_format("json", format));
  CHECK(format == log::Format::json);
  CHECK_FALSE(log::parse_format("xml", format));
  CHECK(format == log::Format::json);
}

#include "examples/tasks/log_files.h"

#include <catch2/catch.hpp>

#include "examples/tasks/failure.h"
#include "tests/unit/examples/scratch.h"

using examples::LogFiles;
using examples::RecordLog;

static RecordLog record(std::string severity, std::string message) {
  return {.service = "shop", .severity = std::move(severity), .message = std::move(message), .time = "then"};
}

TEST_CASE("each severity has its own file, each record its line") {
  const Scratch scratch;
  LogFiles logs(scratch.path("logs"), 1'000, 2);
  logs.write(record("error", "no stock"), "task-1", 1);
  logs.write(record("info", "order placed"), "task-2", 2);
  CHECK_THAT(scratch.read("logs/error.log"),
             Catch::EndsWith("Z error shop: no stock [sent then, task task-1, attempt 1]\n"));
  CHECK_THAT(scratch.read("logs/info.log"),
             Catch::EndsWith("Z info shop: order placed [sent then, task task-2, attempt 2]\n"));
}

TEST_CASE("a message with line breaks stays one line") {
  const Scratch scratch;
  LogFiles logs(scratch.path("logs"), 1'000, 2);
  logs.write(record("info", "one\r\ntwo\n2026 error forged"), "task-1", 1);
  const std::string text = scratch.read("logs/info.log");
  CHECK_THAT(text, Catch::Contains("shop: one  two 2026 error forged ["));
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
}

TEST_CASE("a severity that there is not never becomes a file") {
  const Scratch scratch;
  LogFiles logs(scratch.path("logs"), 1'000, 2);
  CHECK_THROWS_AS(logs.write(record("../../etc/passwd", "m"), "t", 1), examples::PermanentFailure);
  CHECK_FALSE(std::filesystem::exists(scratch.path("logs")));
}

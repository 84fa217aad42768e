#include "broker/ctl/config_check.h"

#include <catch2/catch.hpp>

#include "tests/unit/settings/scratch.h"
#include "tests/unit/settings/variables.h"

using namespace wherry;
using namespace wherry::broker::ctl;

namespace {

std::vector<std::string> texts(const std::vector<FileNote>& notes) {
  std::vector<std::string> out;
  for (const FileNote& note : notes) {
    out.push_back(std::to_string(note.line) + ":" + std::to_string(note.column) + ": " + note.text);
  }
  return out;
}
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a settings file is known by its keys, else by its name") {
  Scratch scratch;
  const auto kind = [&](const std::string& name, const std::string& text) {
    const std::string path = scratch.write(name, text);
    return check_config({{path}}, no_environment()).front().kind;
  };
  CHECK(kind("a.yaml", "listen: {amqp: \"127.0.0.1:0\"}\n") == FileKind::broker);
  CHECK(kind("b.yaml", "default_queue: q\nqueues: [q]\n") == FileKind::app);
  CHECK(kind("c.yaml", "concurrency: 2\nqueues: [q]\n") == FileKind::worker);
  CHECK(kind("d.yaml", "beat_schedule: {}\n") == FileKind::schedule);
  CHECK(kind("my-worker.yaml", "queues: [q]\n") == FileKind::worker);
  CHECK(kind("app.yaml", "") == FileKind::app);
  CHECK(kind("broker.yaml", "lisen: x\n") == FileKind::broker);
  CHECK_FALSE(kind("e.yaml", ""));
  const auto unknown = check_config({{scratch.path("e.yaml")}}, no_environment());
  CHECK(texts(unknown.front().mistakes) == Texts{"0:0: it cannot be told what it is; say so with --kind"});
}

TEST_CASE("each mistake has its place, also in the file that a worker's names") {
  Scratch scratch;
  scratch.write("app.yaml", "queus: [q]\n");
  const std::string path = scratch.write("worker.yaml", "app: app.yaml\nconcurency: 2\nprefetch: many\n");
  const auto files = check_config({{path}}, no_environment());
  REQUIRE(files.size() == 2);
  CHECK(texts(files[0].mistakes) == Texts{"2:1: unknown key 'concurency'; did you mean 'concurrency'?",
                                          "3:11: 'prefetch' wants a whole number, got 'many'"});
  CHECK(files[0].mistakes[0].place == path + ":2:1");
  CHECK(files[1].path == scratch.path("app.yaml"));
  CHECK(texts(files[1].mistakes) == Texts{"1:1: unknown key 'queus'; did you mean 'queues'?"});
}

TEST_CASE("a file that is not there, is no YAML, or has its mistake in a variable, says so") {
  Scratch scratch;
  const auto gone = check_config({{scratch.path("app.yaml")}}, no_environment());
  CHECK(texts(gone.front().mistakes) == Texts{"0:0: cannot read it: No such file or directory"});
  const auto odd = check_config({{scratch.write("worker.yaml", "a: [\n"), FileKind::worker}}, no_environment());
  REQUIRE(odd.front().mistakes.size() == 1);
  CHECK(odd.front().mistakes[0].line == 2);
  const auto variable =
      check_config({{scratch.write("worker.yaml", "queues: [celery]\n")}}, variables({{"WHERRY_CONCURRENCY", "lots"}}));
  REQUIRE(variable.front().mistakes.size() == 1);
  CHECK(variable.front().mistakes[0].place == "WHERRY_CONCURRENCY");
}

TEST_CASE(
    "files are held against each other: queues and exchanges that nobody declares, libraries that are not there") {
  Scratch scratch;
  scratch.write(
      "app.yaml",
      "queues: [email, sms]\nexchanges: [{name: logs}]\ntask_routes:\n  \"email.*\": emial\n  \"sms.*\": sms\n"
      "  a: {exchange: log, routing_key: x}\n  b: {exchange: amq.topic, routing_key: x}\n  c: celery\n");
  scratch.write("schedule.yaml", "beat_schedule:\n  e: {task: t, every: 1, options: {queue: reports}}\n");
  const std::string path =
      scratch.write("worker.yaml", "app: app.yaml\nschedule: schedule.yaml\nqueues: [email, sns]\nload: [gone.so]\n");
  const auto files = check_config({{path}}, no_environment());
  REQUIRE(files.size() == 3);
  for (const CheckedFile& file : files) CHECK(file.mistakes.empty());
  CHECK(texts(files[0].warnings) ==
        Texts{"3:9: no route of the app leads to queue 'sns', and it is not declared; did you mean 'sms'?",
              "4:7: cannot read '" + scratch.path("gone.so") + "': No such file or directory"});
  CHECK(
      texts(files[1].warnings) ==
      Texts{"4:14: queue 'emial' is not among the app's 'queues'; did you mean 'email'? It is made durable and without "
            "arguments",
            "6:17: exchange 'log' is not among the app's 'exchanges'; did you mean 'logs'? Nothing makes it"});
  CHECK(texts(files[2].warnings) ==
        Texts{"2:43: queue 'reports' is not among the app's 'queues'. It is made durable and without arguments"});
}

TEST_CASE("an app that lists no queues leaves them to be made") {
  Scratch scratch;
  const std::string path = scratch.write("app.yaml", "task_routes: {a: somewhere}\n");
  CHECK(check_config({{path}}, no_environment()).front().warnings.empty());
}

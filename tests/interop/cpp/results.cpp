// interop-results URL COMMAND [ARGUMENT...]: asks a result backend, and prints the answer, a line of JSON.
//
//   part GROUP INDEX TASK RESULT   returns a part of a chord whose result is that JSON: [returned, size, [results] or
//   null] size GROUP N                   | get TASK | store TASK STATUS RESULT | forget TASK
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/event_loop.h"
#include "protocol/task/json.h"
#include "sdk/results/backend.h"

using namespace wherry;
using namespace std::chrono_literals;

namespace {

net::EventLoop loop;
int code = 0;

void print(const task::Value& value) {
  std::puts(task::encode_json(value).value().c_str());
  loop.stop();
}
void print(const results::Failure& failure) {
  std::printf("%s\n", failure.message.c_str());
  code = 2;
  loop.stop();
}

task::Value json(const char* text) {
  auto value = task::decode_json(text);
  if (value) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.error().message.c_str());
  std::exit(64);
}

void ask(results::ResultBackend& backend, std::string_view command, char** words) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  auto done = [](const results::Outcome<void>& outcome) {
    outcome ? print(task::Value("done")) : print(outcome.error());
  };
  if (command == "part") {
    results::ChordPart part{words[0], std::atoi(words[1]), {.task_id = words[2], .status = "SUCCESS"}};
    part.meta.result = json(words[3]);
    backend.chord_part_return(std::move(part), deadline, [](const results::Outcome<results::ChordProgress>& progress) {
      if (!progress) return print(progress.error());
      task::Value results;
      if (progress->complete()) {
        results = task::Value::Array{};
        for (const auto& each : progress->parts) results.get<task::Value::Array>()->push_back(each.result);
      }
      const task::Value size = progress->size ? task::Value(*progress->size) : task::Value();
      print(task::Value(task::Value::Array{progress->returned, size, results}));
    });
  } else if (command == "size") {
    backend.set_chord_size(words[0], static_cast<std::size_t>(std::atoi(words[1])), deadline, done);
  } else if (command == "get") {
    backend.get(words[0], deadline, [](const results::Outcome<std::optional<task::ResultMeta>>& meta) {
      if (!meta) return print(meta.error());
      print(*meta ? task::meta_to_value(**meta) : task::Value());
    });
  } else if (command == "store") {
    task::ResultMeta meta{.task_id = words[0], .status = words[1], .result = json(words[2])};
    meta.date_done = std::chrono::system_clock::now();
    backend.store(std::move(meta), deadline, done);
  } else if (command == "forget") {
    backend.forget(words[0], deadline, done);
  } else {
    std::exit(64);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  auto backend = results::open(loop, argv[1], {.expires = 10min});
  if (!backend) {
    std::fprintf(stderr, "%s\n", backend.error().message.c_str());
    return 64;
  }
  ask(**backend, argv[2], argv + 3);
  loop.run();
  return code;
}

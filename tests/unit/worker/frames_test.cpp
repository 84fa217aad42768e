// What goes between a worker and its children, and what is said of a signal.
#include "worker/pool/frames.h"

#include <csignal>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "worker/pool/crash.h"

using namespace wherry;
using namespace wherry::worker;
using namespace std::chrono_literals;

namespace {

task::Value through(const task::Value& frame) {
  FrameReader reader;
  reader.add(*encode_frame(frame));
  task::Value sent;
  REQUIRE(*reader.next(sent));
  return sent;
}

}  // namespace

TEST_CASE("Frames are read however they are cut") {
  const std::string both = *encode_frame(task::Value::Map{{"stop", true}}) + *encode_frame(7);
  for (std::size_t cut = 1; cut < both.size(); ++cut) {
    FrameReader reader;
    std::vector<task::Value> read;
    for (const std::string& part : {both.substr(0, cut), both.substr(cut)}) {
      reader.add(part);
      for (task::Value value; *reader.next(value);) read.push_back(value);
    }
    CHECK(read == std::vector<task::Value>{task::Value::Map{{"stop", true}}, 7});
  }
}

TEST_CASE("What is no frame is told") {
  for (const std::string& rubbish : {std::string("\xff\xff\xff\xff rubbish"), std::string("\1\0\0\0\xc1", 5)}) {
    FrameReader reader;
    reader.add(rubbish);
    task::Value value;
    CHECK_FALSE(reader.next(value));
  }
}

TEST_CASE("A task comes to a child as it came to the worker") {
  sdk::Delivery delivery;
  delivery.queue = "q\xff";
  delivery.exchange = "e";
  delivery.routing_key = "k";
  delivery.redelivered = true;
  delivery.properties.content_type = "application/json";
  delivery.properties.headers.emplace();
  delivery.properties.headers->set("task", "add");
  delivery.body = std::string("[\0\xff]", 4);
  const task::Value frame = run_frame(delivery, 1500ms);
  const task::Value sent = through(frame);
  auto request = read_run(*sent.find("run"));
  REQUIRE(request);
  CHECK(request->delivery.queue == delivery.queue);
  CHECK(request->delivery.exchange == "e");
  CHECK(request->delivery.routing_key == "k");
  CHECK(request->delivery.redelivered);
  CHECK(*request->delivery.properties.headers->string("task") == "add");
  CHECK(request->delivery.body == delivery.body);
  CHECK(request->soft_time_limit == 1500ms);
}

TEST_CASE("An outcome comes back whole, also with text that is no UTF-8") {
  using Kind = detail::Outcome::Kind;
  for (const Kind kind : {Kind::done, Kind::failed, Kind::retry, Kind::dead, Kind::replaced}) {
    detail::Outcome outcome;
    outcome.kind = kind;
    outcome.result = task::Value::Array{1, "x"};
    outcome.error_type = "E";
    outcome.reason = "\xff";
    outcome.after = 20ms;
    outcome.added = {task::write_signature({.task = "add", .args = {1}})};
    if (kind == Kind::failed) outcome.raised = Raise{"E", {"x", 7}, "proj.errors"};
    const task::Value sent = through(outcome_frame(outcome, 4096));
    const detail::Outcome back = read_outcome(*sent.find("outcome"));
    CHECK(back.kind == kind);
    CHECK(back.result == outcome.result);
    CHECK(back.error_type == "E");
    CHECK(back.reason == "\xff");
    CHECK(back.after == 20ms);
    CHECK(back.added == outcome.added);
    REQUIRE(back.raised.has_value() == outcome.raised.has_value());
    if (back.raised) {
      CHECK(back.raised->type == "E");
      CHECK(back.raised->arguments == outcome.raised->arguments);
      CHECK(back.raised->module == "proj.errors");
    }
    CHECK_FALSE(back.crashed);
    CHECK(*sent.find("resident") == task::Value(4096));
  }
}

TEST_CASE("A backtrace is readable") {
  const int file = make_crash_file();
  REQUIRE(file >= 0);
  CHECK(read_backtrace(file).empty());
  const std::string frames = "lib.so(_ZN4spam3eggEv+0x12) [0x7f]\nlib.so(+0x12) [0x7f]\n[0x7f]\n";
  REQUIRE(::write(file, frames.data(), frames.size()) == static_cast<ssize_t>(frames.size()));
  CHECK(read_backtrace(file) == "lib.so(spam::egg()+0x12) [0x7f]\nlib.so(+0x12) [0x7f]\n[0x7f]\n");
  ::close(file);
  CHECK(read_backtrace(-1).empty());
  CHECK(signal_text(SIGSEGV) == "signal 11 (SIGSEGV: Segmentation fault)");
}

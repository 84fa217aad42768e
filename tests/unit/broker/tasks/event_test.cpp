#include "broker/tasks/event.h"

#include <catch2/catch.hpp>

#include "base/utf8.h"
#include "protocol/task/msgpack.h"

using namespace wherry;
using namespace wherry::broker::tasks;

namespace {

constexpr WallTime event_now{std::chrono::seconds(2'000'000)};

amqp::Properties of_type(std::string type, std::string encoding) {
  amqp::Properties properties;
  properties.content_type = std::move(type);
  properties.content_encoding = std::move(encoding);
  return properties;
}

Result<Events> read_json(std::string_view body) {
  return read_events(of_type("application/json", "utf-8"), body, event_now);
}

}  // namespace

TEST_CASE("an event of a task is read with what it says") {
  const auto events = read_json(R"j({"type":"task-received","hostname":"celery@web","timestamp":1700000000.25,"clock":7,
      "pid":12,"uuid":"a1","name":"email.send","args":"(1,)","kwargs":"{}","root_id":"r","parent_id":null,"retries":2,
      "eta":"2026-01-01T00:00:00+00:00","expires":null,"utcoffset":0})j");
  REQUIRE(events);
  REQUIRE(events->good.size() == 1);
  const Event& event = events->good.front();
  CHECK(event.kind == Kind::received);
  CHECK(event.host == "celery@web");
  CHECK(event.at == WallTime(std::chrono::milliseconds(1'700'000'000'250)));
  CHECK(event.arrived == event_now);
  CHECK(event.clock == 7);
  CHECK(event.id == "a1");
  CHECK(event.name == "email.send");
  CHECK(event.args == "(1,)");
  CHECK(event.root_id == "r");
  CHECK(event.parent_id.empty());
  CHECK(event.retries == 2);
  CHECK(event.eta == "2026-01-01T00:00:00+00:00");
}

TEST_CASE("an event of a worker is read with what it says") {
  const auto events =
      read_json(R"({"type":"worker-heartbeat","hostname":"w","timestamp":1700000000,"freq":2.0,"active":1,
      "processed":5,"loadavg":[0.5,1,2.25],"sw_ident":"py-celery","sw_ver":"5.2.6","sw_sys":"Linux"})");
  REQUIRE(events);
  REQUIRE(events->good.size() == 1);
  const Event& event = events->good.front();
  CHECK(event.every_s == 2.0);
  CHECK(event.active == 1);
  CHECK(event.processed == 5);
  CHECK(event.load == std::array<double, 3>{0.5, 1, 2.25});
  CHECK(event.software == "py-celery");
}

TEST_CASE("a list of events is read in MessagePack too, and what is no event among them is counted") {
  const task::Value good =
      task::Value::Map{{"type", "task-started"}, {"hostname", "w"}, {"timestamp", 1'700'000'000}, {"uuid", "a"}};
  const task::Value list = task::Value::Array{good, 7, good, task::Value::Map{{"type", "task-started"}}};
  const auto events = read_events(of_type("application/x-msgpack", "binary"), *task::encode_msgpack(list), event_now);
  REQUIRE(events);
  CHECK(events->good.size() == 2);
  CHECK(events->bad == 2);
}

TEST_CASE("events of applications are left out and are no fault") {
  const auto events = read_json(R"({"type":"order-paid","hostname":"w","timestamp":1700000000})");
  REQUIRE(events);
  CHECK(events->good.empty());
  CHECK(events->bad == 0);
  CHECK(events->unknown == 1);
}

TEST_CASE("what cannot be an event is counted as none") {
  const std::string begin = R"({"type":"task-started","hostname":"w",)";
  for (const std::string& body : {
           std::string(R"({"type":7})"),
           std::string(R"({"hostname":"w","timestamp":1,"uuid":"a"})"),
           begin + R"("uuid":"a"})",
           begin + R"("timestamp":"now","uuid":"a"})",
           begin + R"("timestamp":-1,"uuid":"a"})",
           begin + R"("timestamp":1e300,"uuid":"a"})",
           begin + R"("timestamp":1})",
           begin + R"("timestamp":1,"uuid":""})",
           begin + R"("timestamp":1,"uuid":["a"]})",
           begin + R"("timestamp":1,"uuid":")" + std::string(most_name + 1, 'a') + R"("})",
           begin + R"("timestamp":1,"uuid":"a","name":")" + std::string(most_name + 1, 'a') + R"("})",
           std::string(R"({"type":"worker-online","hostname":"","timestamp":1})"),
       }) {
    INFO(body.substr(0, 120));
    const auto events = read_json(body);
    REQUIRE(events);
    CHECK(events->good.empty());
    CHECK(events->bad == 1);
  }
}

TEST_CASE("a body that is not what it says is an error") {
  CHECK_FALSE(read_json("{"));
  CHECK_FALSE(read_json("7"));
  CHECK_FALSE(read_events(of_type("application/x-python-serialize", "binary"), "x", event_now));
  CHECK_FALSE(read_json(std::string(most_body + 1, ' ')));
}

TEST_CASE("what is compressed is not looked at") {
  amqp::Properties properties = of_type("application/json", "utf-8");
  properties.headers.emplace();
  properties.headers->set("compression", std::string("application/x-gzip"));
  CHECK_FALSE(read_events(properties, "{}", event_now));
}

TEST_CASE("long texts are cut between two letters") {
  std::string long_text;
  while (long_text.size() <= most_text) long_text += "\xc3\xa4";
  const auto events =
      read_json(R"({"type":"task-succeeded","hostname":"w","timestamp":1,"uuid":"a","result":")" + long_text + R"("})");
  REQUIRE(events);
  REQUIRE(events->good.size() == 1);
  const std::string& result = *events->good.front().result;
  CHECK(result.size() <= most_text);
  CHECK(result.size() >= most_text - 2);
  CHECK(result.ends_with("..."));
  CHECK(is_utf8(result));
}

TEST_CASE("arguments that are no text are shown as one") {
  const auto events = read_json(R"({"type":"task-received","hostname":"w","timestamp":1,"uuid":"a","args":[1,"b"]})");
  REQUIRE(events);
  REQUIRE(events->good.size() == 1);
  CHECK(events->good.front().args == "[1, 'b']");
}

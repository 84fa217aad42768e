#include "broker/ctl/top_frame.h"

#include <catch2/catch.hpp>

#include "broker/control/json.h"

using namespace wherry;
using namespace wherry::broker::ctl;

namespace {

amqp::FieldArray rows(const std::string& json) {
  auto parsed = broker::control::parse_object(R"({"rows":)" + json + "}");
  REQUIRE(parsed);
  return *parsed->find("rows")->get<amqp::FieldArray>();
}

const amqp::Table& row(const amqp::Table& frame, const char* kind, std::size_t at) {
  return *frame.find(kind)->get<amqp::FieldArray>()->at(at).get<amqp::Table>();
}

double number(const amqp::Table& row, const char* name) {
  return *row.find(name)->get<double>();
}

TopLook queues(const std::string& json) {
  TopLook look;
  look.queues = rows(json);
  return look;
}

}  // namespace

TEST_CASE("top: a rate is what a counter grew by, for each second", "[top]") {
  const auto before = queues(R"([{"name":"q","message_stats":{"publish":10,"ack":7}}])");
  const auto now =
      queues(R"([{"name":"q","messages_ready":5,"message_stats":{"publish":30,"ack":7,"deliver_get":4}}])");
  const amqp::Table frame = top_frame(before, now, 2, TopSort::depth);
  CHECK(number(row(frame, "queues", 0), "publish_rate") == 10);
  CHECK(number(row(frame, "queues", 0), "ack_rate") == 0);
  CHECK(number(row(frame, "queues", 0), "deliver_rate") == 2);
}

TEST_CASE("top: what is new or has begun anew has no rate", "[top]") {
  const auto before = queues(R"([{"name":"again","message_stats":{"publish":1000}}])");
  const auto now =
      queues(R"([{"name":"again","message_stats":{"publish":3}},{"name":"new","message_stats":{"publish":500}}])");
  const amqp::Table frame = top_frame(before, now, 1, TopSort::name);
  CHECK(number(row(frame, "queues", 0), "publish_rate") == 0);
  CHECK(number(row(frame, "queues", 1), "publish_rate") == 0);
}

TEST_CASE("top: the run time is of the tasks that ended between the looks, else of all", "[top]") {
  TopLook before, now;
  before.tasks = rows(R"([{"name":"a","started":9,"runtime":{"count":10,"mean":1.0}},
                          {"name":"b","runtime":{"count":4,"mean":0.5}},{"name":"c","runtime":{"count":0,"mean":null}}])");
  now.tasks = rows(R"([{"name":"a","started":12,"failed":1,"runtime":{"count":12,"mean":1.5}},
                       {"name":"b","runtime":{"count":4,"mean":0.5}},{"name":"c","runtime":{"count":0,"mean":null}}])");
  const amqp::Table frame = top_frame(before, now, 1, TopSort::name);
  CHECK(number(row(frame, "tasks", 0), "runtime") == Approx(4.0));  // (18 - 10) / 2
  CHECK(number(row(frame, "tasks", 0), "rate") == 3);
  CHECK(number(row(frame, "tasks", 0), "failure_rate") == 1);
  CHECK(number(row(frame, "tasks", 1), "runtime") == Approx(0.5));
  CHECK(number(row(frame, "tasks", 2), "runtime") == 0);
}

TEST_CASE("top: on a terminal every section keeps a line, and no line is wider than it", "[top]") {
  std::string many;
  for (int i = 0; i < 100; ++i) {
    many += (i ? "," : "") + std::string(R"({"name":"a-queue-with-quite-a-long-name-)") + std::to_string(i) + "\"}";
  }
  TopLook look = queues("[" + many + "]");
  look.no_tasks = "tasks are watched while the management API listens";
  const amqp::Table frame = top_frame(look, look, 1, TopSort::depth);
  const std::string text = top_text(frame, {.lines = 20, .columns = 80});
  CHECK(text.find("queues (100)") != text.npos);
  CHECK(text.find("tasks: tasks are watched") != text.npos);
  CHECK(text.find("connections (0)") != text.npos);
  std::size_t lines = 0, width = 0;
  for (char c : text) {
    if (c == '\n') {
      CHECK(width <= 79);
      ++lines;
      width = 0;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++width;
    }
  }
  CHECK(lines <= 20);
  CHECK(lines > 6);
}

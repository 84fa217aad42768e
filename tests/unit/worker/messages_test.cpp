#include "worker/runtime/messages.h"

#include <catch2/catch.hpp>

#include "base/iso8601.h"

using namespace wherry;
using namespace wherry::worker;
using namespace std::chrono_literals;

namespace {

const WallTime now = WallTime(1'700'000'000s);

task::Task some_task() {
  task::Task task;
  task.name = "mail";
  task.id = "id-1";
  task.kwargs = {{"to", "ann"}};
  task.reply_to = "answers";
  task.serializer = task::Serializer::msgpack;
  return task;
}

sdk::Delivery delivered(const task::Task& task) {
  auto encoded = task::encode(task, now);
  sdk::Delivery delivery;
  delivery.queue = "email";
  delivery.exchange = "somewhere";
  delivery.routing_key = "else";
  delivery.properties = encoded->properties;
  delivery.body = encoded->body;
  return delivery;
}

task::Task decoded(const sdk::Publication& publication) {
  auto task = task::decode(publication.properties, publication.body);
  REQUIRE(task);
  return *task;
}

const amqp::FieldArray& history_of(const sdk::Publication& publication) {
  const auto* found = publication.properties.headers->find("x-wherry-history");
  REQUIRE(found);
  return *found->get<amqp::FieldArray>();
}

}  // namespace

TEST_CASE("A retry is the same message for the queue it came from, one attempt older") {
  auto task = some_task();
  auto delivery = delivered(task);
  auto retry = retry_message(delivery, task, {"IOError", "busy"}, "w1", now, 1'500ms);
  REQUIRE(retry);
  CHECK(retry->exchange.empty());
  CHECK(retry->routing_key == "email");
  CHECK(retry->body == delivery.body);
  CHECK(retry->properties.correlation_id == delivery.properties.correlation_id);
  auto next = decoded(*retry);
  CHECK(next.id == "id-1");
  CHECK(next.retries == 1);
  CHECK(next.eta == now + 1'500ms);
  CHECK(next.reply_to == "answers");
}

TEST_CASE("Each retry adds to the history, oldest first") {
  auto task = some_task();
  auto delivery = delivered(task);
  for (unsigned attempt = 1; attempt <= 3; ++attempt) {
    auto retry = retry_message(delivery, task, {"IOError", "busy"}, "w1", now + attempt * 1s, 1s);
    REQUIRE(retry);
    const auto& history = history_of(*retry);
    REQUIRE(history.size() == attempt);
    const auto* last = history.back().get<amqp::Table>();
    REQUIRE(last);
    CHECK(*last->find("attempt")->get<std::int64_t>() == attempt);
    CHECK(*last->string("error") == "IOError: busy");
    CHECK(*last->string("worker") == "w1");
    CHECK(*last->string("at") == format_iso8601(now + attempt * 1s));
    delivery.properties = retry->properties;
    task = decoded(*retry);
  }
}

TEST_CASE("A message that goes round is not taken for a circle, and a broker's word about it is dropped") {
  auto task = some_task();
  auto delivery = delivered(task);
  delivery.properties.headers->set("x-death", amqp::FieldArray{});
  auto retry = retry_message(delivery, task, {"IOError", "busy"}, "w1", now, 1s);
  REQUIRE(retry);
  CHECK(retry->properties.headers->find("x-death") == nullptr);
  CHECK(dead_letter(delivery, &task, {}, "why", "w1", now).properties.headers->find("x-death") == nullptr);
}

TEST_CASE("A retry expires when its task does, not later") {
  auto task = some_task();
  task.expires = now + 10s;
  auto delivery = delivered(task);
  CHECK(delivery.properties.expiration == "10000");
  CHECK(retry_message(delivery, task, {}, "w1", now + 4s, 1s)->properties.expiration == "6000");
  CHECK(retry_message(delivery, task, {}, "w1", now + 11s, 1s)->properties.expiration == "0");
}

TEST_CASE("A task of protocol 1 is tried again as protocol 2") {
  sdk::Delivery delivery;
  delivery.queue = "email";
  delivery.properties.content_type = "application/json";
  delivery.properties.content_encoding = "utf-8";
  delivery.body = R"({"task": "mail", "id": "id-1", "args": [1], "kwargs": {"to": "ann"}, "retries": 2})";
  auto task = task::decode(delivery.properties, delivery.body);
  REQUIRE(task);
  auto retry = retry_message(delivery, *task, {"IOError", "busy"}, "w1", now, 1s);
  REQUIRE(retry);
  CHECK(*retry->properties.headers->string("task") == "mail");
  auto next = decoded(*retry);
  CHECK(next.retries == 3);
  CHECK(next.eta == now + 1s);
  CHECK(next.args == task->args);
  CHECK(next.kwargs == task->kwargs);
  CHECK(history_of(*retry).size() == 1);
}

TEST_CASE("A dead letter says why, whence and when, and stays") {
  auto task = some_task();
  task.expires = now + 10s;
  task.durable = false;
  task.retries = 2;
  auto delivery = delivered(task);
  auto letter = dead_letter(delivery, &task, {"IOError", "busy"}, "failed 3 times", "w1", now);
  CHECK(letter.body == delivery.body);
  CHECK_FALSE(letter.properties.expiration);
  CHECK(letter.properties.delivery_mode == 2);
  const auto& headers = *letter.properties.headers;
  CHECK(*headers.string("x-wherry-reason") == "failed 3 times");
  CHECK(*headers.string("x-wherry-queue") == "email");
  CHECK(*headers.string("x-wherry-dead-at") == format_iso8601(now));
  CHECK(*history_of(letter).back().get<amqp::Table>()->find("attempt")->get<std::int64_t>() == 3);
  CHECK(decoded(letter).id == "id-1");
}

TEST_CASE("A message that is no task keeps its body as a dead letter") {
  sdk::Delivery delivery;
  delivery.queue = "email";
  delivery.body = "\x01 rubbish";
  auto letter = dead_letter(delivery, nullptr, {"DecodeError", "no content type"}, "cannot be read", "w1", now);
  CHECK(letter.body == delivery.body);
  CHECK(*letter.properties.headers->string("x-wherry-reason") == "cannot be read");
  CHECK(history_of(letter).size() == 1);
}

TEST_CASE("A result goes to whoever waits, in the serializer the task came in") {
  for (auto serializer : {task::Serializer::json, task::Serializer::msgpack}) {
    auto task = some_task();
    task.serializer = serializer;
    auto message = result_message(task, success(task, task::Value("fine"), now));
    CHECK(message.routing_key == "answers");
    CHECK_FALSE(message.mandatory);
    CHECK(message.properties.correlation_id == "id-1");
    CHECK(*message.properties.content_type ==
          (serializer == task::Serializer::json ? "application/json" : "application/x-msgpack"));
    auto meta = task::decode_result(message.properties, message.body);
    REQUIRE(meta);
    CHECK(meta->task_id == "id-1");
    CHECK(meta->status == "SUCCESS");
    CHECK(meta->result == task::Value("fine"));
  }
}

TEST_CASE("Nobody waits: no result is written") {
  auto task = some_task();
  task.ignore_result = true;
  CHECK(result_message(task, success(task, {}, now)).routing_key.empty());
  task.ignore_result = false;
  task.reply_to.clear();
  CHECK(result_message(task, success(task, {}, now)).routing_key.empty());
}

TEST_CASE("A failure carries its exception; a retry is not done yet") {
  auto task = some_task();
  auto failure = failed(task, "FAILURE", {"IOError", "busy"}, now);
  REQUIRE(failure.exception);
  CHECK(failure.exception->type == "IOError");
  CHECK(failure.exception->message() == "busy");
  CHECK(failure.date_done == now);
  const task::TaskException known{"NoSuchUser", {"x", 7}, "proj.errors"};
  CHECK(failed(task, "FAILURE", {"NoSuchUser", "('x', 7)", {}, known}, now).exception == known);
  CHECK_FALSE(failed(task, "RETRY", {"IOError", "busy"}, now).date_done);
  // Python raises the classes that it has for what a worker says itself.
  CHECK(failed(task, "FAILURE", {"IOError", "busy"}, now).exception->module.empty());
  CHECK(failed(task, "REVOKED", {"TaskRevokedError", "expired"}, now).exception->module == "celery.exceptions");
  CHECK(failed(task, "FAILURE", {"TypeError", "argument 1"}, now).exception->module == "builtins");
}

TEST_CASE("How often a message was lost is what the broker says of this delivery, and of no other") {
  auto delivery = delivered(some_task());
  auto& headers = *delivery.properties.headers;
  CHECK(losses(delivery) == 0);
  headers.set("x-lost-count", std::int64_t{2});
  headers.set("x-delivery-count", std::int64_t{7});
  // A copy of one that was lost: it comes for the first time itself.
  CHECK(losses(delivery) == 0);
  delivery.redelivered = true;
  CHECK(losses(delivery) == 2);
  headers.set(crashes_header, std::int64_t{1});
  CHECK(crashes(delivery) == 3);
  // RabbitMQ's quorum queues count all that came back.
  headers.erase("x-lost-count");
  CHECK(losses(delivery) == 7);
  headers.set("x-delivery-count", "often");
  CHECK(losses(delivery) == 0);
  headers.set("x-delivery-count", std::int64_t{-5});
  CHECK(losses(delivery) == 0);
}

TEST_CASE("What a broker wrote about one delivery is on no retry and no dead letter") {
  const auto task = some_task();
  auto delivery = delivered(task);
  delivery.redelivered = true;
  for (const char* each : {"x-lost-count", "x-delivery-count", "x-death"}) {
    delivery.properties.headers->set(each, std::int64_t{1});
  }
  const auto retry = retry_message(delivery, task, {"IOError", "busy"}, "w1", now, 1s);
  const auto dead = dead_letter(delivery, &task, {"IOError", "busy"}, "it failed", "w1", now);
  std::int64_t counted = 0;
  CHECK((dead.properties.headers->integer(crashes_header, counted) && counted == 1));
  for (const char* each : {"x-lost-count", "x-delivery-count", "x-death"}) {
    CHECK(retry->properties.headers->find(each) == nullptr);
    CHECK(dead.properties.headers->find(each) == nullptr);
  }
}

TEST_CASE("A message is sent round only where giving it back would count against it, and nobody drops the copy") {
  auto delivery = delivered(some_task());
  delivery.redelivered = true;
  CHECK_FALSE(sent_round(delivery));
  delivery.properties.headers->set("x-delivery-count", std::int64_t{2});
  const auto again = sent_round(delivery);
  REQUIRE(again);
  CHECK(again->routing_key == "email");
  CHECK(again->exchange.empty());
  CHECK(again->body == delivery.body);
  CHECK(again->properties.headers->find("x-delivery-count") == nullptr);
  CHECK(decoded(*again).id == "id-1");
  delivery.properties.headers->set("x-deduplication-header", "key");
  CHECK_FALSE(sent_round(delivery));
  delivery.properties.headers->erase("x-deduplication-header");
  delivery.properties.headers->set("x-lost-count", std::int64_t{2});
  CHECK_FALSE(sent_round(delivery));
}

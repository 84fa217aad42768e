#include "protocol/task/envelope.h"

#include <catch2/catch.hpp>

#include "protocol/task/backoff.h"
#include "protocol/task/fields.h"
#include "tests/unit/protocol/task/random_value.h"

using namespace wherry;
using namespace wherry::task;
using namespace std::chrono_literals;

namespace {

const std::string id = "11111111-2222-3333-4444-555555555555";
const WallTime now{std::chrono::seconds(1'769'860'800)};  // 2026-01-31T12:00:00Z

std::string unhex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

// The headers of add.apply_async((2,), {"y": 3}, eta=..., time_limit=30, soft_time_limit=20.5,
// headers={"tenant": "acme"}) as celery 5.2 puts them on the wire.
const std::string celery_headers = unhex(
    "046c616e6753000000027079047461736b53000000086d6174682e616464026964530000002431313131313131312d323232322d3333"
    "33332d343434342d35353535353535353535353506736861646f775603657461530000002032303236"
    "2d30312d33315431323a30303a30302e3235303030302b30303a30300765787069726573560567726f7570560b67726f75705f696e64"
    "657856077265747269657349000000000974696d656c696d6974410000000e490000001e64403480000000000007726f6f745f696453"
    "0000002431313131313131312d323232322d333333332d343434342d35353535353535353535353509706172656e745f696456086172"
    "677372657072530000000428322c290a6b77617267737265707253000000087b2779273a20337d066f726967696e530000000b67656e"
    "323833333840766d0d69676e6f72655f726573756c7474000674656e616e74530000000461636d65");

amqp::Properties json_properties() {
  amqp::Properties properties;
  properties.content_type = "application/json";
  properties.content_encoding = "utf-8";
  return properties;
}

std::string why(const Result<Task, DecodeError>& result, DecodeError::Kind kind) {
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == kind);
  return result.error().message;
}

Task full_task(Serializer serializer) {
  Task task;
  task.name = "math.add";
  task.id = id;
  task.args = {1, "two", nullptr};
  task.kwargs = {{"x", Value::Array{1.5, true}}};
  task.embed.callbacks = Value::Array{Value::Map{{"task", "math.add"}, {"args", Value::Array{}}}};
  task.embed.chain = Value::Array{Value::Map{{"task", "last"}}, Value::Map{{"task", "next"}}};
  task.root_id = "root";
  task.parent_id = "parent";
  task.eta = now + 250ms;
  task.expires = now + 90s;
  task.retries = 3;
  task.time_limit = 30s;
  task.soft_time_limit = 20'500ms;
  task.group = "g";
  task.group_index = 4;
  task.ignore_result = true;
  task.shadow = "alias";
  task.replaced_task_nesting = 1;
  task.stamped_headers = Value::Array{"tenant"};
  task.stamps = {{"tenant", Value::Array{"acme"}}};
  task.origin = "gen1@here";
  task.argsrepr = "(...)";
  task.kwargsrepr = "{...}";
  task.reply_to = "reply";
  task.correlation_id = "correlation";
  task.priority = 7;
  task.durable = false;
  task.serializer = serializer;
  task.headers.set("traceparent", "00-1-2-00");
  return task;
}

}  // namespace

TEST_CASE("a task of Celery's producer is read") {
  auto properties = json_properties();
  properties.headers = *amqp::decode_table({celery_headers});
  properties.correlation_id = id;
  properties.reply_to = "62c04eb0-7b8d-32db-8372-d0c6149d8245";
  properties.delivery_mode = 2;
  properties.priority = 4;
  auto task =
      decode(properties, R"([[2], {"y": 3}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}])");
  REQUIRE(task);
  Task expected;
  expected.name = "math.add";
  expected.id = expected.root_id = expected.correlation_id = id;
  expected.args = {2};
  expected.kwargs = {{"y", 3}};
  expected.eta = now + 250ms;
  expected.time_limit = 30s;
  expected.soft_time_limit = 20'500ms;
  expected.lang = "py";
  expected.origin = "gen28338@vm";
  expected.argsrepr = "(2,)";
  expected.kwargsrepr = "{'y': 3}";
  expected.reply_to = "62c04eb0-7b8d-32db-8372-d0c6149d8245";
  expected.priority = 4;
  expected.headers.set("tenant", "acme");
  CHECK(*task == expected);
}

TEST_CASE("a task of protocol 1 is read") {
  auto properties = json_properties();
  properties.correlation_id = id;
  auto task = decode(properties,
                     R"({"task": "math.add", "id": "11111111-2222-3333-4444-555555555555", "args": [2],
                         "kwargs": {"y": 3}, "group": "g1", "group_index": null, "retries": 2,
                         "eta": "2026-01-31T12:00:00.250000", "expires": null, "utc": true, "callbacks": [{"task": "b"}],
                         "errbacks": null, "timelimit": [30, null], "taskset": "g1", "chord": null})");
  REQUIRE(task);
  CHECK(task->name == "math.add");
  CHECK(task->id == id);
  CHECK(task->root_id == id);
  CHECK(task->args == Value::Array{2});
  CHECK(task->kwargs == Value::Map{{"y", 3}});
  CHECK(task->group == "g1");
  CHECK(task->retries == 2);
  CHECK(task->eta == now + 250ms);
  CHECK(task->time_limit == 30s);
  CHECK(task->soft_time_limit == std::nullopt);
  CHECK(task->embed.callbacks == Value::Array{Value::Map{{"task", "b"}}});
}

TEST_CASE("a task is written with every header of the protocol, nulls too") {
  Task task;
  task.name = "math.add";
  task.id = id;
  task.args = {2};
  task.kwargs = {{"y", 3}};
  task.origin = "gen7@host";
  auto message = encode(task, now);
  REQUIRE(message);
  CHECK(message->body == R"([[2], {"y": 3}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}])");
  CHECK(amqp::to_string(message->properties.headers->table()) ==
        amqp::to_string(std::get<amqp::Table>(to_field(Value::Map{{"lang", "cpp"},
                                                                  {"task", "math.add"},
                                                                  {"id", id},
                                                                  {"shadow", nullptr},
                                                                  {"eta", nullptr},
                                                                  {"expires", nullptr},
                                                                  {"group", nullptr},
                                                                  {"group_index", nullptr},
                                                                  {"retries", 0},
                                                                  {"timelimit", Value::Array{nullptr, nullptr}},
                                                                  {"root_id", id},
                                                                  {"parent_id", nullptr},
                                                                  {"argsrepr", "(2,)"},
                                                                  {"kwargsrepr", "{'y': 3}"},
                                                                  {"origin", "gen7@host"},
                                                                  {"ignore_result", false},
                                                                  {"replaced_task_nesting", 0},
                                                                  {"stamped_headers", nullptr},
                                                                  {"stamps", Value::Map{}}})
                                                  ->value)));
  amqp::Properties rest = message->properties;
  rest.headers.reset();
  auto expected = json_properties();
  expected.delivery_mode = 2;
  expected.priority = 0;
  expected.correlation_id = id;
  expected.reply_to = "";
  CHECK(rest == expected);
  CHECK(default_origin().starts_with("gen"));
}

TEST_CASE("what is encoded is decoded to the same task") {
  for (Serializer serializer : {Serializer::json, Serializer::msgpack}) {
    const Task task = full_task(serializer);
    auto message = encode(task, now);
    REQUIRE(message);
    // By way of the wire's bytes, as a broker carries it.
    auto properties = amqp::decode_properties(amqp::encode_properties(message->properties));
    REQUIRE(properties);
    auto back = decode(*properties, message->body);
    REQUIRE(back);
    CHECK(*back == task);
  }
}

TEST_CASE("the expiration property counts down to the deadline") {
  Task task = full_task(Serializer::json);
  CHECK(encode(task, now)->properties.expiration == "90000");
  CHECK(encode(task, now + 91s)->properties.expiration == "0");
  task.expires.reset();
  CHECK(encode(task, now)->properties.expiration == std::nullopt);
}

TEST_CASE("a user's header never takes the place of the protocol's") {
  Task task = full_task(Serializer::json);
  task.headers.set("task", "other");
  auto message = encode(task, now);
  REQUIRE(message);
  CHECK(*message->properties.headers->string("task") == "math.add");
  CHECK(decode(message->properties, message->body)->headers.size() == 1);
}

TEST_CASE("what is no task, or cannot be read, says so by its kind") {
  using Kind = DecodeError::Kind;
  const std::string body = R"([[], {}, {}])";
  auto properties = json_properties();
  properties.headers.emplace();
  properties.headers->set("task", "a");
  properties.headers->set("id", "1");
  REQUIRE(decode(properties, body));

  CHECK(why(decode(json_properties(), body), Kind::not_a_task) == "no header 'task', and the body is an array of 3");
  CHECK(why(decode(json_properties(), "{}"), Kind::not_a_task) == "no header 'task', and none in the body");
  CHECK(why(decode(properties, "[[], {}]"), Kind::not_a_task) == "expected [args, kwargs, embed], got an array of 2");
  CHECK(why(decode(properties, "[{}, {}, {}]"), Kind::not_a_task) == "args: expected an array, got an empty map");
  CHECK(why(decode(properties, "[["), Kind::undecodable) == "body: not JSON at byte 2");

  SECTION("wrong header") {
    properties.headers->set("retries", "many");
    CHECK(why(decode(properties, body), Kind::not_a_task) ==
          "header 'retries': expected an integer, got string \"many\"");
  }
  SECTION("no id") {
    properties.headers->erase("id");
    CHECK(why(decode(properties, body), Kind::not_a_task) == "task 'a' has no id");
  }
  SECTION("content type") {
    properties.content_type = "application/x-python-serialize";
    CHECK(why(decode(properties, body), Kind::unsupported) ==
          "content type \"application/x-python-serialize\" is not supported");
    properties.content_type.reset();
    CHECK(why(decode(properties, body), Kind::unsupported) == "no content type");
  }
  SECTION("content encoding") {
    properties.content_encoding = "utf-16";
    CHECK(why(decode(properties, body), Kind::unsupported) == "content encoding \"utf-16\" is not supported");
  }
  SECTION("compression") {
    properties.headers->set("compression", "application/x-lzma");
    CHECK(why(decode(properties, body), Kind::unsupported) == "compression \"application/x-lzma\" is not supported");
  }
}

TEST_CASE("damaged messages give a task or one error") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 2'000; ++round) {
    auto message = *encode(full_task(round % 2 == 0 ? Serializer::json : Serializer::msgpack), now);
    auto& headers = message.properties.headers->entries();
    const Value value = random_value(random, 2);
    if (auto field = to_field(value)) headers[random() % headers.size()].second = *field;
    if (random() % 2 == 0) message.body[random() % message.body.size()] = static_cast<char>(random());
    auto task = decode(message.properties, message.body);
    if (!task) REQUIRE_FALSE(task.error().message.empty());
  }
}

TEST_CASE("header fields are of the types that every client reads alike") {
  CHECK(to_field(7)->get<std::int32_t>() != nullptr);
  CHECK(to_field(1ll << 40)->get<std::int64_t>() != nullptr);
  CHECK_FALSE(to_field(-(1ll << 40)));
  CHECK_FALSE(to_field(~0ull));
  CHECK_FALSE(to_field(Value::Map{{std::string(256, 'a'), 1}}));
  Value deep = 1;
  for (int i = 0; i < 30; ++i) deep = Value::Array{deep};
  CHECK(to_field(deep));
  CHECK_FALSE(to_field(Value::Array{deep}));
  CHECK(from_field(amqp::Timestamp{0}) == "1970-01-01T00:00:00+00:00");
  CHECK(from_field(amqp::ByteArray{"x"}) == Bytes{"x"});
}

TEST_CASE("retry delays grow to their cap, with full jitter") {
  Backoff backoff{1s, 2.0, 600s, false};
  const std::function<double()> none;
  CHECK(retry_delay(backoff, 0, none) == 1s);
  CHECK(retry_delay(backoff, 3, none) == 8s);
  CHECK(retry_delay(backoff, 20, none) == 600s);
  CHECK(retry_delay(backoff, 4'000'000'000u, none) == 600s);
  CHECK(retry_delay({0ms, 2.0, 600s, false}, 4'000'000'000u, none) == 0s);
  backoff.jitter = true;
  CHECK(retry_delay(backoff, 3, [] { return 0.0; }) == 0s);
  CHECK(retry_delay(backoff, 3, [] { return 0.25; }) == 2s);
}

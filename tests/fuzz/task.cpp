// Messages of tasks and of results: properties, then body. Anything either is one or gives one clean error; a task that
// was decoded encodes to a message that decodes to the same task.
#include "protocol/task/envelope.h"
#include "protocol/task/result.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/amqp/generate.h"
#include "tests/unit/protocol/task/random_value.h"

using namespace wherry;
using namespace wherry::task;

namespace {

const WallTime now{std::chrono::sys_days(std::chrono::year(2026) / 1 / 31)};

// The length of the properties in two bytes, the properties, the body.
std::string packed(const amqp::Properties& properties, std::string_view body) {
  const std::string raw = amqp::encode_properties(properties);
  std::string input{static_cast<char>(raw.size() >> 8), static_cast<char>(raw.size())};
  return input.append(raw).append(body);
}

Value::Map random_map(std::mt19937_64& random) {
  Value::Map map;
  for (auto left = random() % 4; left > 0; --left)
    set(map, std::string(1, 'a' + random() % 4), random_value(random, 2));
  return map;
}

Task random_task(std::mt19937_64& random) {
  Task task{.name = "email.send", .id = "8a3f9f3e-0000-4000-8000-000000000001"};
  for (auto left = random() % 3; left > 0; --left) task.args.push_back(random_value(random, 2));
  task.kwargs = random_map(random);
  if (random() % 2) task.eta = now + std::chrono::milliseconds(random() % 100'000);
  if (random() % 2) task.expires = now + std::chrono::milliseconds(random() % 100'000);
  if (random() % 2) task.time_limit = std::chrono::milliseconds(random() % 10'000);
  if (random() % 2) task.soft_time_limit = std::chrono::milliseconds(random() % 10'000);
  if (random() % 4 == 0) task.embed.chain = Value::Array{random_map(random)};
  if (random() % 4 == 0) task.group_index = static_cast<std::int64_t>(random() % 10);
  if (random() % 4 == 0) task.stamps = random_map(random);
  task.retries = static_cast<std::uint32_t>(random() % 3);
  task.reply_to = random() % 2 ? "replies" : "";
  task.serializer = random() % 2 ? Serializer::json : Serializer::msgpack;
  return task;
}

void check_task(const amqp::Properties& properties, std::string_view body) {
  auto task = decode(properties, body);
  if (!task) {
    WHERRY_FUZZ_CHECK(!task.error().message.empty());
    return;
  }
  WHERRY_FUZZ_CHECK(!task->name.empty() && !task->id.empty());
  auto once = encode(*task, now);
  if (!once) return;
  auto again = decode(once->properties, once->body);
  WHERRY_FUZZ_CHECK(again);
  WHERRY_FUZZ_CHECK(again->name == task->name && again->id == task->id);
  auto twice = encode(*again, now);
  WHERRY_FUZZ_CHECK(twice);
  WHERRY_FUZZ_CHECK(twice->body == once->body);
  WHERRY_FUZZ_CHECK(amqp::encode_properties(twice->properties) == amqp::encode_properties(once->properties));
}

void check_result(const amqp::Properties& properties, std::string_view body) {
  auto meta = decode_result(properties, body);
  if (!meta) {
    WHERRY_FUZZ_CHECK(!meta.error().message.empty());
    return;
  }
  for (Serializer serializer : {Serializer::json, Serializer::msgpack}) {
    auto once = encode_result(*meta, serializer);
    if (!once) continue;
    auto again = decode_result(once->properties, once->body);
    WHERRY_FUZZ_CHECK(again);
    auto twice = encode_result(*again, serializer);
    WHERRY_FUZZ_CHECK(twice);
    WHERRY_FUZZ_CHECK(twice->body == once->body);
  }
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  if (random() % 3 == 0) {
    ResultMeta meta{.task_id = "id", .status = random() % 2 ? "SUCCESS" : "FAILURE", .result = random_value(random, 2)};
    if (meta.status == "FAILURE") meta.exception = TaskException{"ValueError", {"no such user"}, "builtins"};
    auto encoded = encode_result(meta, random() % 2 ? Serializer::json : Serializer::msgpack);
    return encoded ? packed(encoded->properties, encoded->body) : "";
  }
  auto encoded = encode(random_task(random), now);
  if (!encoded) return "";
  // Headers that the protocol does not know travel along.
  const amqp::Table extra = amqp::test::Generator(seed).table(1);
  for (const auto& [name, value] : extra.entries()) encoded->properties.headers->set(name, value);
  return packed(encoded->properties, encoded->body);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t length = static_cast<std::size_t>(data[0]) << 8 | data[1];
  std::string_view input = fuzz::view(data + 2, size - 2);
  auto properties = amqp::decode_properties(input.substr(0, length));
  if (!properties) return 0;
  const std::string_view body = input.substr(std::min(length, input.size()));
  check_task(*properties, body);
  check_result(*properties, body);
  return 0;
}

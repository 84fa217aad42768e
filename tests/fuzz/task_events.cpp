// Events as anybody may send them: whatever the body is, what is remembered stays within its bounds.
#include "broker/tasks/memory.h"
#include "protocol/task/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/task/random_value.h"

using namespace wherry;
using namespace wherry::broker::tasks;

namespace {

task::Value random_event(std::mt19937_64& random) {
  const auto one_of = [&](std::initializer_list<const char*> all) {
    return std::string(all.begin()[random() % all.size()]);
  };
  task::Value::Map event{{"type", one_of({"task-sent", "task-received", "task-started", "task-succeeded", "task-failed",
                                          "task-retried", "task-revoked", "task-rejected", "worker-online",
                                          "worker-heartbeat", "worker-offline", "order-paid"})},
                         {"hostname", one_of({"a", "b", "c"})},
                         {"timestamp", static_cast<double>(random() % 1'000)},
                         {"uuid", one_of({"1", "2", "3", "4", "5"})}};
  for (const char* name : {"name", "parent_id", "retries", "runtime", "exception", "args", "freq", "loadavg"}) {
    if (random() % 4 == 0) event.emplace_back(name, random() % 2 ? task::random_value(random) : task::Value("x"));
  }
  return event;
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  task::Value::Array events;
  for (std::size_t count = random() % 40; count > 0; --count) events.push_back(random_event(random));
  return task::encode_json(events).value_or("");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  amqp::Properties properties;
  properties.content_type = "application/json";
  properties.content_encoding = "utf-8";
  const auto events = read_events(properties, fuzz::view(data, size), WallTime{});
  if (!events) {
    WHERRY_FUZZ_CHECK(!events.error().message.empty());
    return 0;
  }
  constexpr Bounds bounds{.tasks = 3, .bytes = 64 * 1024};
  Memory memory(bounds);
  for (const Event& each : events->good) {
    WHERRY_FUZZ_CHECK(!each.host.empty() && each.host.size() <= most_name);
    memory.hear(each);
    WHERRY_FUZZ_CHECK(memory.size() <= bounds.tasks && memory.bytes() <= bounds.bytes);
  }
  std::size_t counted = 0;
  for (const std::size_t each : memory.by_state()) counted += each;
  WHERRY_FUZZ_CHECK(counted == memory.size());
  for (const Life* life : memory.newest({}, 10)) {
    WHERRY_FUZZ_CHECK(memory.find(life->id()) == life);
    WHERRY_FUZZ_CHECK(is_end(life->state()) == life->ended().has_value());
    WHERRY_FUZZ_CHECK(life->attempts().size() <= most_attempts && life->steps().size() <= most_steps);
    for (const Life* child : memory.children(life->id(), 10)) WHERRY_FUZZ_CHECK(child->parent_id() == life->id());
  }
  return 0;
}

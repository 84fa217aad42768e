// libinterop-canvas-suite.so: the tasks that Celery's own integration tests send, in C++, for wherry-worker --load.
// They do what those tests expect of tasks with these names; the tests themselves run unmodified
// (tests/interop/suites).
#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <hiredis/hiredis.h>
#include <wherry/canvas.h>
#include <wherry/client.h>
#include <wherry/registry.h>

#include "base/uuid.h"

using namespace std::chrono_literals;
using wherry::named;
using wherry::sig;
using wherry::task::Signature;
using wherry::task::Value;

namespace {

const std::string suite = "t.integration.tasks.";

constexpr wherry::Function<Value(Value)> identity{"t.integration.tasks.identity"};
constexpr wherry::Function<Value(Value, Value)> add{"t.integration.tasks.add"};
constexpr wherry::Function<Value(std::vector<Value>)> tsum{"t.integration.tasks.tsum"};

// As Python adds numbers, texts and lists.
Value plus(const Value& x, const Value& y) {
  if (x.get<std::int64_t>() && y.get<std::int64_t>()) return *x.get<std::int64_t>() + *y.get<std::int64_t>();
  if (x.get<std::string>() && y.get<std::string>()) return *x.get<std::string>() + *y.get<std::string>();
  if (x.get<Value::Array>() && y.get<Value::Array>()) {
    Value::Array both = *x.get<Value::Array>();
    both.insert(both.end(), y.get<Value::Array>()->begin(), y.get<Value::Array>()->end());
    return both;
  }
  throw wherry::Raise{.type = "TypeError", .arguments = {"cannot add " + wherry::task::describe(y)}};
}

Value sum(const std::vector<Value>& all) {
  Value total = 0;
  for (const Value& each : all) total = plus(total, each);
  return total;
}

// --- Redis, where the tests look for what was called -----------------------------------------------------------------

void redis(std::vector<std::string> words) {
  struct Close {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  thread_local std::unique_ptr<redisContext, Close> server;
  if (!server || server->err != 0) server.reset(redisConnect("localhost", 6379));
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  void* reply = redisCommandArgv(server.get(), static_cast<int>(texts.size()), texts.data(), sizes.data());
  if (reply == nullptr) throw std::runtime_error(server->errstr);
  freeReplyObject(reply);
}

std::string as_text(const Value& value) {
  if (const auto* text = value.get<std::string>()) return *text;
  if (const auto* bytes = value.get<wherry::task::Bytes>()) return bytes->data;
  if (const auto* number = value.get<std::int64_t>()) return std::to_string(*number);
  throw wherry::Raise{.type = "TypeError", .arguments = {"not to be echoed: " + wherry::task::describe(value)}};
}

struct RedisEcho {
  static constexpr auto task_name = "t.integration.tasks.redis_echo";
  static constexpr std::array optional_fields{"redis_key"};
  Value message = {};
  std::string redis_key = "redis-echo";
};
struct RedisCount {
  static constexpr auto task_name = "t.integration.tasks.redis_count";
  static constexpr std::array optional_fields{"redis_key"};
  std::string redis_key = "redis-count";
};

std::string counted(std::string id) {
  redis({"INCR", id});
  return id;
}

// --- arguments -------------------------------------------------------------------------------------------------------

struct DelayedSum {
  static constexpr auto task_name = "t.integration.tasks.delayed_sum";
  static constexpr std::array optional_fields{"pause_time"};
  std::vector<Value> numbers = {};
  double pause_time = 1;
};
struct DelayedSumWithSoftGuard {
  static constexpr auto task_name = "t.integration.tasks.delayed_sum_with_soft_guard";
  static constexpr std::array optional_fields{"pause_time"};
  std::vector<Value> numbers = {};
  double pause_time = 1;
};
struct Ids {
  static constexpr auto task_name = "t.integration.tasks.ids";
  int i = 0;
};
struct CollectIds {
  static constexpr auto task_name = "t.integration.tasks.collect_ids";
  Value res = {};
  int i = 0;
};
struct SecondOrder1 {
  static constexpr auto task_name = "t.integration.tasks.second_order_replace1";
  static constexpr std::array optional_fields{"state"};
  Value state = false;
};
struct SecondOrder2 {
  static constexpr auto task_name = "t.integration.tasks.second_order_replace2";
  static constexpr std::array optional_fields{"state"};
  Value state = false;
};
struct ReplaceWithChain {
  static constexpr auto task_name = "t.integration.tasks.replace_with_chain";
  Value value = {};
  std::optional<std::string> link_msg = {};
};
struct ReplaceWithChainWhichRaises {
  static constexpr auto task_name = "t.integration.tasks.replace_with_chain_which_raises";
  Value value = {};
  std::optional<std::string> link_msg = {};
};
struct RetryOnce {
  static constexpr auto task_name = "t.integration.tasks.retry_once";
  std::optional<Value> first = {};
  std::optional<double> expires = {}, max_retries = {}, countdown = {};
};

Value ids_of(const wherry::Context& context, int i) {
  const Value parent = context.parent_id().empty() ? Value() : Value(context.parent_id());
  return Value::Array{context.root_id(), parent, i};
}

// Ends early when the soft limit is over.
bool pause(double seconds, const wherry::Context* context = nullptr) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    if (context != nullptr && context->stop_token().stop_requested()) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

// The link of a replacement: says its message, or what it is given.
wherry::Sig<void, Value> echo() {
  return named<void, Value>(RedisEcho::task_name);
}
wherry::Sig<void, wherry::canvas::Ignored> echo(const std::string& message) {
  return named<void>(RedisEcho::task_name, wherry::args(message)).ignoring();
}

// --- the tasks -------------------------------------------------------------------------------------------------------

void define_plain(wherry::Registry& registry, const wherry::TaskOptions& once) {
  registry.on(
      suite + "identity", [](Value x) { return x; }, once);
  registry.on(
      suite + "add",
      [](const Value& x, const Value& y, const std::optional<Value>& z) {
        return z ? plus(plus(x, y), *z) : plus(x, y);
      },
      once);
  registry.on(suite + "tsum", sum, once);
  registry.on<DelayedSum>([](const DelayedSum& task) { return pause(task.pause_time), sum(task.numbers); }, once);
  registry.on<DelayedSumWithSoftGuard>(
      [](const DelayedSumWithSoftGuard& task, wherry::Context& context) {
        return pause(task.pause_time, &context) ? sum(task.numbers) : Value(0);
      },
      once);
  registry.on(
      suite + "write_to_file_and_return_int",
      [](const std::string& path, int i) {
        std::ofstream(path, std::ios::app) << i << '\n';
        return i;
      },
      once);
  registry.on(
      suite + "print_unicode", [](std::optional<Value>, std::optional<Value>) {}, once);
  registry.on(
      suite + "return_exception", [](Value e) { return std::pair(std::move(e), true); }, once);
  registry.on(
      suite + "fail",
      [](std::optional<Value> first, std::optional<Value> second) {
        Value::Array arguments{"Task expected to fail"};
        if (first) arguments.push_back(*first);
        if (second) arguments.push_back(*second);
        throw wherry::Raise{"ExpectedException", std::move(arguments), "t.integration.tasks"};
      },
      once);
  registry.on(
      suite + "raise_error",
      [](std::optional<Value>, std::optional<Value>) {
        throw wherry::Raise{.type = "ValueError", .arguments = {"deliberate error"}};
      },
      once);
  registry.on<RetryOnce>(
      [](const RetryOnce&, wherry::Context& context) {
        if (context.attempt() == 1) throw wherry::Retry{.after = 100ms};
        return context.attempt() - 1;
      },
      {.retry = wherry::RetryPolicy{.max_retries = 1}});
  registry.on<Ids>([](const Ids& task, wherry::Context& context) { return ids_of(context, task.i); }, once);
  registry.on<CollectIds>(
      [](const CollectIds& task, wherry::Context& context) { return std::pair(task.res, ids_of(context, task.i)); },
      once);
  registry.on(
      suite + "return_priority",
      [](std::optional<Value>, wherry::Context& context) { return "Priority: " + std::to_string(context.priority()); },
      once);
  registry.on<RedisEcho>([](const RedisEcho& task) { redis({"RPUSH", task.redis_key, as_text(task.message)}); }, once);
  registry.on<RedisCount>([](const RedisCount& task) { redis({"INCR", task.redis_key}); }, once);
  // An error callback gets the id of the task that failed, whatever its style in Python.
  registry.on(suite + "errback_old_style", counted, once);
  registry.on(suite + "errback_new_style", counted, once);
}

void define_replaced(wherry::Registry& registry, const wherry::TaskOptions& once) {
  registry.on(
      suite + "add_replaced", [](const Value& x, const Value& y) { throw wherry::Replace(sig(add, x, y)); }, once);
  registry.on(
      suite + "fail_replaced",
      [](std::optional<Value> first) {
        throw wherry::Replace(named<>(suite + "fail", first ? wherry::args(*first) : wherry::Args{}).ignoring());
      },
      once);
  registry.on(
      suite + "add_to_all",
      [](const std::vector<Value>& numbers, const Value& value) {
        std::vector<wherry::Sig<Value>> all;
        for (const Value& number : numbers) all.push_back(sig(add, number, value));
        throw wherry::Replace(wherry::group(all));
      },
      once);
  registry.on<ReplaceWithChain>(
      [](const ReplaceWithChain& task) {
        const auto chain = sig(identity, task.value) | sig(identity);
        throw wherry::Replace(task.link_msg ? chain.on_success(echo(*task.link_msg)) : chain.on_success(echo()));
      },
      once);
  registry.on<ReplaceWithChainWhichRaises>(
      [](const ReplaceWithChainWhichRaises& task) {
        const auto chain = sig(identity, task.value) | named<Value, Value>(suite + "raise_error");
        throw wherry::Replace(task.link_msg ? chain.on_error(echo(*task.link_msg)) : chain.on_error(echo()));
      },
      once);
  registry.on(
      suite + "replace_with_empty_chain",
      [](std::optional<Value>) { throw wherry::Replace(wherry::task::make_chain({})); }, once);
  registry.on<SecondOrder1>(
      [](const SecondOrder1& task) {
        redis({"RPUSH", "redis-echo", task.state == Value(true) ? "Out A" : "In A"});
        if (task.state == Value(true)) return;
        throw wherry::Replace(sig(SecondOrder2{}) | sig(SecondOrder1{true}).ignoring());
      },
      once);
  registry.on<SecondOrder2>(
      [](const SecondOrder2& task) {
        redis({"RPUSH", "redis-echo", task.state == Value(true) ? "Out B" : "In B"});
        if (task.state == Value(true)) return;
        throw wherry::Replace(sig(RedisEcho{"In/Out C"}) | sig(SecondOrder2{true}).ignoring());
      },
      once);
  registry.on(
      suite + "add_to_all_to_chord",
      [](const std::vector<Value>& numbers, const Value& value, wherry::Context& context) {
        for (const Value& number : numbers) context.add_to_chord(sig(add, number, value));
        return 0;
      },
      once);
  registry.on(
      suite + "add_chord_to_chord",
      [](const std::vector<Value>& numbers, const Value& value, wherry::Context& context) {
        std::vector<wherry::Sig<Value>> all;
        for (const Value& number : numbers) all.push_back(sig(add, number, value));
        context.add_to_chord(wherry::group(all) | sig(tsum));
        return 0;
      },
      once);
}

// A task that is a client too. It returns what Python's result objects are read from: id and parent, and children.
Value build_chain() {
  static wherry::Client client("amqp://guest:guest@localhost:5672", {.result_backend = "redis://localhost:6379/0"});
  const wherry::EnqueueOptions first{.task_id = wherry::make_uuid()}, second{.task_id = wherry::make_uuid()};
  const auto job = client.enqueue(sig(add, Value(1), Value(1)).with(first) | sig(add, Value(2)).with(second) |
                                  wherry::group(sig(add, Value(3)), sig(add, Value(4))) |
                                  named<Value, Value>(suite + "add", wherry::args(Value::Array{5})));
  const Value begun = Value::Array{Value::Array{first.task_id, Value()}, Value()};
  const Value went_on = Value::Array{Value::Array{second.task_id, begun}, Value()};
  return Value::Array{Value::Array{job.id(), went_on}, Value()};
}

// Signatures as results. They lack their arguments, as nobody sends them.
void define_nested(wherry::Registry& registry, const wherry::TaskOptions& once) {
  const Signature one{.task = suite + "add"};
  const std::vector<std::pair<std::string, Signature>> inner{
      {"chain", wherry::task::make_chain({one})},
      {"group", wherry::task::make_group({one})},
      {"chord", wherry::task::make_chord(wherry::task::make_group({one}), one)}};
  for (const auto& [name, within] : inner) {
    const std::vector<std::pair<std::string, Signature>> outer{
        {"chain", wherry::task::make_chain({within})},
        {"group", wherry::task::make_group({within})},
        {"chord", wherry::task::make_chord(wherry::task::make_group({within}), one)}};
    for (const auto& [around, whole] : outer) {
      registry.on(
          suite + "return_nested_signature_" + around + "_" + name,
          [value = wherry::task::write_signature(whole)] { return value; }, once);
    }
  }
}

void rebuild(const Signature& signature) {
  if (signature.kind() == Signature::Kind::task) return;
  const auto parts = wherry::task::members(signature);
  if (!parts) throw wherry::Raise{.type = "TypeError", .arguments = {parts.error().message}};
  for (const Signature& each : *parts) rebuild(each);
  if (signature.kind() != Signature::Kind::chord) return;
  const auto last = wherry::task::body(signature);
  if (!last) throw wherry::Raise{.type = "TypeError", .arguments = {last.error().message}};
  rebuild(*last);
}

}  // namespace

WHERRY_TASKS(registry) {
  // A failure is final, as with Celery.
  const wherry::TaskOptions once{.retry = wherry::RetryPolicy{.max_retries = 0}};
  define_plain(registry, once);
  define_replaced(registry, once);
  define_nested(registry, once);
  registry.on(suite + "build_chain_inside_task", build_chain, once);
  registry.on(
      suite + "rebuild_signature",
      [](const Value& value) {
        const auto signature = wherry::task::read_signature(value);
        if (!signature) throw wherry::Raise{.type = "TypeError", .arguments = {signature.error().message}};
        rebuild(*signature);
      },
      once);
}

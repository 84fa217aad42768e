// Links against every function that the public headers declare and the library defines: one that packaging/exports.map
// forgets is an error of the linker. Run without arguments it does what needs no broker.
#include <cstdio>

#include <wherry/canvas.h>
#include <wherry/client.h>
#include <wherry/coro.h>
#include <wherry/dead_letters.h>
#include <wherry/outbox.h>
#include <wherry/scheduler.h>
#include <wherry/trace.h>
#include <wherry/worker.h>

namespace {

using namespace std::chrono_literals;

struct Address {
  std::string street;
  std::optional<int> number;
};

struct Everything {
  static constexpr auto task_name = "everything";
  using Result = std::vector<std::string>;
  std::string text;
  std::vector<Address> addresses;
  std::chrono::system_clock::time_point when;
  std::map<std::string, double> figures;
};

constexpr wherry::Function<int(int, int)> add{"add"};

wherry::Coro<> wait(wherry::Context& context) {
  co_await context.sleep(1ms);
}

void define(wherry::Registry& registry) {
  registry.on<Everything>([](const Everything& task, wherry::Context& context) -> std::vector<std::string> {
    context.progress(std::string("begun"));
    context.log("log");
    if (task.text.empty()) throw wherry::Retry{.after = 1s, .reason = "again"};
    if (task.text == "dead") throw wherry::Dead{"never"};
    if (task.text == "raise") throw wherry::Raise{.type = "ValueError", .arguments = {"no"}};
    if (task.text == "replace") throw wherry::Replace(wherry::named<>("other"));
    return {task.text};
  });
  registry.on("add", [](int a, int b) { return a + b; });
  registry.on("wait", wait);
}

void clients() {
  wherry::Client client("amqp://127.0.0.1");
  client = wherry::Client::from_file("app.yaml");
  client.wait_connected(1s);
  if (!client.connected()) return;
  const wherry::TraceScope scope({.traceparent = wherry::current_trace().traceparent});
  try {
    auto job = client.enqueue(Everything{});
    job.get(1s);
    client.send("name", {1, "two"}, {{"three", 3.0}}).get(1s);
    client.job("id").get(1s);
    client.enqueue_many(std::vector<Everything>(3));
  } catch (const wherry::EnqueueManyFailed& error) {
    std::printf("%zu\n", error.failures().size());
  } catch (const wherry::TaskFailed& error) {
    std::puts(error.traceback().c_str());
  } catch (const wherry::ClientError& error) {
    std::puts(std::string(wherry::to_string(error.code())).c_str());
  }
  const auto chain = wherry::sig(add, 1, 2) | wherry::sig(add, 3);
  client.enqueue(chain.with({.queue = "q"}).on_success(wherry::sig(add, 1).ignoring())).get(1s);
  client.enqueue(chain.on_error(wherry::named<int>("told").ignoring())).get(1s);
  client.enqueue(wherry::chord(wherry::group(chain, chain), wherry::sig(add, 1, 2).ignoring())).get(1s);
  client.enqueue(wherry::group(chain, chain)).get(1s);
  const std::vector<std::tuple<int, int>> pairs{{1, 2}, {3, 4}};
  client.enqueue(wherry::starmap(add, pairs)).get(1s);
  client.enqueue(wherry::chunks(add, pairs, 1)).get(1s);
  client.close(1s);

  wherry::DeadLetters letters("amqp://127.0.0.1");
  letters.list();
  letters.replay({});
  letters.replay_all();
  letters.discard({});
  letters.discard_all();
}

void workers() {
  wherry::Worker worker("amqp://127.0.0.1", {.queues = {"q"}});
  wherry::Worker other = wherry::Worker::from_file("worker.yaml");
  wherry::Worker moved(std::move(other));
  define(worker.registry());
  worker.prefork();
  std::puts(worker.metrics_address().c_str());
  if (worker.options().concurrency > 1) worker.stop_at_once();
  worker.run();
  worker.stop();
  wherry::Scheduler scheduler("schedule.yaml", "amqp://127.0.0.1");
  wherry::Scheduler next(std::move(scheduler));
  next.stop();
}

void values() {
  const wherry::task::Value value =
      wherry::task::to_value(Everything{.text = "t", .addresses = {{"s", 1}}, .when = {}, .figures = {}});
  auto read = wherry::task::from_value<Everything>(value);
  if (!read || read->addresses.at(0).number != 1) throw std::logic_error("a value that is not what it was made of");
  if (wherry::task::from_value<Address>(value)) throw std::logic_error("an address of what is none");
  wherry::task::Value::Map map{{"a", 1}, {"a", 2}};
  wherry::task::drop_repeated_keys(map);
  wherry::task::set(map, "b", 3);
  if (wherry::task::find(map, "b") == nullptr || value.find("text") == nullptr)
    throw std::logic_error("a key that is not there");
  std::puts(wherry::task::describe(map).c_str());
  const auto signature = wherry::sig(add, 1, 2).signature();
  const auto group = wherry::task::make_group({signature});
  const auto chord = wherry::task::make_chord(group, signature);
  if (!wherry::task::members(group) || !wherry::task::body(chord) || signature.kind() == group.kind() ||
      !wherry::task::comes_to_several(group)) {
    throw std::logic_error("a group without members");
  }
  const auto written = wherry::task::write_signature(signature);
  if (*wherry::task::read_signature(written) != signature) throw std::logic_error("a signature that came back changed");
  if (!wherry::task::read_signatures(wherry::task::write_signatures({signature}))) throw std::logic_error("no list");
  if (written == wherry::task::Value(1)) throw std::logic_error("a signature is no number");
}

}  // namespace

int main(int argc, char**) {
  values();
  wherry::Registry registry;
  define(registry);
  if (registry.names().size() != 3 || registry.find("add") == nullptr) return 1;
  wherry::Outbox outbox({.database = wherry::OutboxDatabase::sqlite});
  if (outbox.create_table().empty() || outbox.insert(Everything{}).sql.empty()) return 1;
  if (wherry::to_string(wherry::TaskState::success) != "SUCCESS") return 1;
  // Those that need a broker are linked, not run.
  if (argc > 1) clients();
  if (argc > 2) workers();
  return 0;
}

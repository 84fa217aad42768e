// The settings files as the programs read them: any bytes are settings, or mistakes with their places; reading twice
// says the same. Keys that name other files are cut out: they would open whatever the input names.
#include "worker/schedule/settings.h"

#include "base/yaml.h"
#include "broker/settings/broker_settings.h"
#include "sdk/settings/app_settings.h"
#include "tests/fuzz/fuzz.h"
#include "worker/settings/worker_settings.h"

using namespace wherry;

namespace {

const char* const samples[] = {
    R"(listen: {amqp: "127.0.0.1:0", management: ":15672"}
tls: {certificate: a.pem, verify: peer}
heartbeat: 10s
frame_max: 128KiB
connection_max: 100
unacked_max: 1GiB
memory_high_watermark: 40%
http: {connection_max: 10, head_timeout: 1m}
store: {log_budget: 1MiB, log_file_size: 64KiB}
vhosts:
  - name: /
    exchanges: [{name: e, type: topic, arguments: {alternate-exchange: x}}]
    queues: [q, {name: r, arguments: {x-max-length: 5}}]
    bindings: [{exchange: e, queue: q, routing_key: "#"}]
users:
  - {name: u, password: p, tags: [administrator], permissions: [{vhost: /, read: "^a"}]}
policies:
  - {name: p, pattern: "^q", definition: {max-length: 5}}
limits:
  users: [{name: u, max_connections: 5}]
)",
    R"(broker: {url: "amqp://guest:guest@localhost/"}
queues: [{name: email, arguments: {x-max-priority: 9}}]
exchanges: [{name: e, type: direct}]
bindings: [{exchange: e, queue: email}]
task_routes: {"email.*": {queue: email}}
task_retries: {"*": {max_retries: 3}}
)",
    R"(queues: [email, sms]
concurrency: 4
pool: threads
task_limits: {"email.*": {rate: 10/m, time_limit: 30s}}
metrics: "127.0.0.1:0"
)",
    R"(timezone: UTC
catch_up: last
beat_schedule:
  clean:
    task: clean.up
    cron: "*/5 2-4 * jan mon"
    timezone: Europe/Berlin
    kwargs: {a: [1, null, {b: 2}]}
    options: {queue: reports, expires: 6h, priority: 5}
  often: {task: x, every: 90s, args: [1]}
)"};

std::optional<std::string> no_variable(const std::string&) {
  return std::nullopt;
}

template <class Read>
std::string said_by(std::string_view text, Read read) {
  yaml::Document document = yaml::Document::parse(text, "fuzz.yaml", no_variable);
  read(document);
  auto finished = document.finish();
  return finished ? "" : finished.error().message;
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  return samples[seed % std::size(samples)];
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::view(data, size);
  if (text.find("_file") != text.npos) return 0;
  const auto all = [&] {
    return said_by(text, [](yaml::Document& document) { broker::read_broker_settings(document); }) + "\n" +
           said_by(text, [](yaml::Document& document) { sdk::read_app_settings(document); }) + "\n" +
           said_by(text, [](yaml::Document& document) { read_worker_settings(document); }) + "\n" +
           said_by(text, [](yaml::Document& document) { schedule::read_schedule(document); });
  };
  WHERRY_FUZZ_CHECK(all() == all());
  return 0;
}

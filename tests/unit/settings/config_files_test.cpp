#include <fstream>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "broker/settings/broker_settings.h"
#include "sdk/settings/app_settings.h"
#include "tests/unit/settings/scratch.h"
#include "tests/unit/settings/variables.h"
#include "worker/schedule/settings.h"
#include "worker/settings/worker_settings.h"

using namespace wherry;

namespace {

const std::string folder = WHERRY_CONFIG_FOLDER;

std::string contents(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The file with its commented keys as keys: "#key", and the lines "#  ..." below it.
std::string uncommented(const std::string& text) {
  std::istringstream lines(text);
  std::string out;
  bool in_key = false;
  for (std::string line; std::getline(lines, line); out += line + '\n') {
    const bool key = line.size() > 1 && line[0] == '#' && line[1] != ' ' && line[1] != '#';
    const bool below = in_key && line.starts_with("#  ");
    in_key = key || below;
    if (in_key) line.erase(0, 1);
  }
  return out;
}

const yaml::Value* field(const yaml::Value& value, std::string_view name) {
  if (const auto* entries = std::get_if<yaml::Entries>(&value.data))
    for (const auto& [key, each] : *entries)
      if (key == name) return &each;
  return nullptr;
}

// The keys that a schema knows, spelled as yaml::Document::asked() does.
void collect(const yaml::Value& schema, const std::string& path, std::set<std::string>& into) {
  if (const yaml::Value* properties = field(schema, "properties")) {
    for (const auto& [key, each] : std::get<yaml::Entries>(properties->data)) {
      const std::string inner = path.empty() ? key : path + "." + key;
      into.insert(inner);
      collect(each, inner, into);
    }
    const yaml::Value* others = field(schema, "additionalProperties");
    REQUIRE(others);
    CHECK(others->data == yaml::Value::Variant(false));
  } else if (const yaml::Value* named = field(schema, "additionalProperties")) {
    collect(*named, path + ".*", into);
  }
  if (const yaml::Value* items = field(schema, "items")) collect(*items, path + "[]", into);
}

std::set<std::string> schema_keys(const std::string& name) {
  // JSON is YAML; put below a key, because a tree stands below one.
  yaml::Document document =
      yaml::Document::parse("schema: " + contents(folder + "/schema/" + name), name, no_environment());
  yaml::Entries schema;
  document.root().tree("schema", schema);
  auto read = document.finish();
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  std::set<std::string> keys;
  collect(yaml::Value{std::move(schema)}, "", keys);
  return keys;
}

struct File {
  std::string name;
  void (*read)(yaml::Document&);
};

const File files[] = {
    {"broker", [](yaml::Document& document) { broker::read_broker_settings(document); }},
    {"app", [](yaml::Document& document) { sdk::read_app_settings(document); }},
    {"worker", [](yaml::Document& document) { read_worker_settings(document); }},
    {"schedule", [](yaml::Document& document) { schedule::read_schedule(document); }},
};

}  // namespace

TEST_CASE("Each file of config/ is valid as it stands") {
  for (const File& file : files) {
    yaml::Document document = yaml::Document::load(folder + "/" + file.name + ".yaml", no_environment());
    file.read(document);
    auto read = document.finish();
    INFO((read ? "" : read.error().message));
    CHECK(read);
  }
  CHECK(broker::load_broker_settings(folder + "/broker.yaml", no_environment()));
  CHECK(sdk::load_app_settings(folder + "/app.yaml", no_environment()));
  auto worker = load_worker_settings(folder + "/worker.yaml", no_environment());
  REQUIRE(worker);
  CHECK(worker->app_path == folder + "/app.yaml");
}

TEST_CASE("Each file of config/ is valid with all its keys uncommented, and shows every key that its schema knows") {
  Scratch scratch;
  scratch.write("monitor", "hush");
  const std::string secrets = scratch.path(".");
  for (const File& file : files) {
    CAPTURE(file.name);
    yaml::Document document = yaml::Document::parse(uncommented(contents(folder + "/" + file.name + ".yaml")),
                                                    file.name, variables({{"SECRETS", secrets}}));
    file.read(document);
    auto read = document.finish();
    INFO((read ? "" : read.error().message));
    CHECK(read);
    // What the loader asked for is what it knows; the file has an entry in each list, so it asked for everything.
    CHECK(document.asked() == schema_keys(file.name + ".json"));
  }
}

TEST_CASE("Each key that a schema knows has its place in the commented file and in the documentation") {
  for (const File& file : files) {
    const std::string text = contents(folder + "/" + file.name + ".yaml");
    const std::string page = contents(folder + "/../docs/configuration.md");
    for (const std::string& path : schema_keys(file.name + ".json")) {
      const std::string key = path.substr(path.find_last_of(".") + 1);
      CAPTURE(file.name, path);
      if (key == "*" || key.empty()) continue;
      CHECK(text.find(key) != text.npos);
      CHECK(page.find("`" + path + "`") != page.npos);
    }
  }
}

TEST_CASE("What config/ shows as defaults are the defaults") {
  // Lines of a key and a value at the top: with them the settings are what they are without them.
  const auto only_scalars = [](const std::string& name) {
    std::istringstream lines(contents(folder + "/" + name));
    std::string out;
    for (std::string line; std::getline(lines, line);) {
      const std::size_t colon = line.find(": ");
      if (line.size() > 1 && line[0] == '#' && line[1] != ' ' && colon != line.npos) out += line.substr(1) + '\n';
    }
    return out;
  };
  yaml::Document document = yaml::Document::parse(only_scalars("broker.yaml"), "broker.yaml", no_environment());
  const broker::BrokerSettings shown = broker::read_broker_settings(document);
  const broker::BrokerSettings built_in;
  CHECK(document.finish());
  CHECK(shown.shards == built_in.shards);
  CHECK(shown.heartbeat_s == built_in.heartbeat_s);
  CHECK(shown.frame_max == built_in.frame_max);
  CHECK(shown.channel_max == built_in.channel_max);
  CHECK(shown.max_message_size == built_in.max_message_size);
  CHECK(shown.durability == built_in.durability);
  CHECK(shown.memory_high_watermark.share == built_in.memory_high_watermark.share);
  CHECK(shown.memory_high_watermark.bytes == built_in.memory_high_watermark.bytes);
  CHECK(shown.disk_free_limit == built_in.disk_free_limit);
  CHECK(shown.disk_stall_warning == built_in.disk_stall_warning);
  CHECK(shown.consumer_timeout == built_in.consumer_timeout);
  CHECK(shown.log_level == built_in.log_level);

  yaml::Document whole = yaml::Document::parse(uncommented(contents(folder + "/broker.yaml")), "broker.yaml",
                                               variables({{"SECRETS", "."}}));
  const broker::StoreSettings store = broker::read_broker_settings(whole).store;
  CHECK(store.log_budget == built_in.store.log_budget);
  CHECK(store.log_file_size == built_in.store.log_file_size);
  CHECK(store.memory_budget == built_in.store.memory_budget);
  CHECK(store.garbage_limit == built_in.store.garbage_limit);
  const broker::TaskSettings tasks = broker::read_broker_settings(whole).tasks;
  CHECK(tasks.observe == built_in.tasks.observe);
  CHECK(tasks.most == built_in.tasks.most);
  CHECK(tasks.most_bytes == built_in.tasks.most_bytes);

  yaml::Document app_document = yaml::Document::parse(only_scalars("app.yaml"), "app.yaml", no_environment());
  const sdk::AppSettings app = sdk::read_app_settings(app_document);
  const sdk::AppSettings app_built_in;
  CHECK(app_document.finish());
  CHECK(app.default_queue == app_built_in.default_queue);
  CHECK(app.quorum_queues == app_built_in.quorum_queues);
  CHECK(app.dead_letter_queue == app_built_in.dead_letter_queue);
  CHECK(app.serializer == app_built_in.serializer);
  CHECK(app.results == app_built_in.results);
  CHECK(app.result_backend == app_built_in.result_backend);
  CHECK(app.result_expires == app_built_in.result_expires);
  CHECK(app.enqueue_timeout == app_built_in.enqueue_timeout);
}

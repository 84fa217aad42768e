#include "tests/unit/broker/definitions/topology.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>
#include <sqlite3.h>
#include <stdlib.h>

namespace wherry::broker::test {

namespace fs = std::filesystem;

namespace {
std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
amqp::Table arguments() {
  amqp::Table table;
  table.set("x-max-length", std::int32_t{7});
  return table;
}
}  // namespace

Directory::Directory() {
  std::string name = (fs::temp_directory_path() / "wherry-definitions-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = name;
}
Directory::~Directory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::pair<std::string, std::string>> Directory::contents() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& entry : fs::directory_iterator(path_)) {
    std::string bytes = entry.is_regular_file() ? bytes_of(entry.path()) : "";
    // An empty log is none.
    if (bytes.empty() && entry.path().string().ends_with("-wal")) continue;
    all.emplace_back(entry.path().filename().string(), std::move(bytes));
  }
  std::sort(all.begin(), all.end());
  return all;
}

void Directory::write(const std::string& bytes) const {
  std::ofstream(file(), std::ios::binary) << bytes;
}
std::string Directory::read() const {
  return bytes_of(file());
}

void Directory::run_sql(const std::string& sql) const {
  sqlite3* db = nullptr;
  char* trouble = nullptr;
  sqlite3_open(file().c_str(), &db);
  sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &trouble);
  const std::string text = trouble != nullptr ? trouble : "";
  sqlite3_free(trouble);
  sqlite3_close(db);
  if (!text.empty()) throw std::runtime_error(text);
}

Result<void> Listing::vhost(std::string_view name) {
  lines.push_back(fmt::format("vhost {}", name));
  return {};
}
Result<void> Listing::parameter(std::string_view vhost, ParameterSpec spec) {
  lines.push_back(fmt::format("{} {} {} {}", vhost, spec.component, spec.name, amqp::to_string(spec.value)));
  return {};
}
Result<void> Listing::exchange(std::string_view vhost, ExchangeSpec spec) {
  lines.push_back(fmt::format("{} exchange {} {}{}{} {}", vhost, spec.name, spec.type,
                              spec.auto_delete ? " auto_delete" : "", spec.internal ? " internal" : "",
                              amqp::to_string(spec.arguments)));
  return {};
}
Result<void> Listing::queue(std::string_view vhost, QueueSpec spec, std::uint64_t id, unsigned home) {
  lines.push_back(fmt::format("{} queue {} id {} home {}{} {}", vhost, spec.name, id, home,
                              spec.auto_delete ? " auto_delete" : "", amqp::to_string(spec.arguments)));
  return {};
}
Result<void> Listing::binding(std::string_view vhost, BindingSpec spec) {
  lines.push_back(fmt::format("{} binding {} -{}-> {} {} {}", vhost, spec.source, spec.routing_key,
                              spec.kind == DestinationKind::queue ? "queue" : "exchange", spec.destination,
                              amqp::to_string(spec.arguments)));
  return {};
}

TopologyChange vhost(std::string name, bool added) {
  return {added, std::move(name), {}};
}
TopologyChange parameter(std::string name, std::int32_t value, bool added) {
  amqp::Table table;
  table.set("value", value);
  return {added, "/", ParameterSpec{"policy", std::move(name), std::move(table)}};
}
TopologyChange exchange(std::string name, bool added) {
  return {added, "/", ExchangeSpec{std::move(name), "topic", true, true, true, arguments()}};
}
TopologyChange queue(std::string name, std::uint64_t id, bool added) {
  auto entry = std::make_shared<QueueEntry>();
  entry->id = id;
  entry->vhost = "/";
  entry->home = 1;
  entry->spec = {std::move(name), true, false, true, arguments()};
  return {added, "/", QueueEntryRef(entry)};
}
TopologyChange binding(std::string source, std::string destination, std::string key, bool added) {
  return {added, "/",
          BindingSpec{std::move(source), DestinationKind::queue, std::move(destination), std::move(key), arguments()}};
}

std::vector<std::string> listing_of(const fs::path& file) {
  auto opened = DefinitionsFile::open(file);
  if (!opened) throw std::runtime_error(opened.error().message);
  Listing listing;
  if (auto loaded = (*opened)->load(listing); !loaded) throw std::runtime_error(loaded.error().message);
  return listing.lines;
}

std::string refusal_of(const fs::path& file) {
  auto opened = DefinitionsFile::open(file);
  if (!opened) return opened.error().message;
  Listing listing;
  auto loaded = (*opened)->load(listing);
  return loaded ? "" : loaded.error().message;
}

}  // namespace wherry::broker::test

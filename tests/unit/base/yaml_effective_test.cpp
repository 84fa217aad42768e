#include <map>

#include <catch2/catch.hpp>

#include "base/yaml.h"

using namespace wherry;
using namespace std::chrono_literals;

namespace {

Environment with(std::map<std::string, std::string> variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

struct Settings {
  std::string name = "none";
  unsigned count = 1;
  std::chrono::milliseconds wait{1'500};
  std::optional<std::chrono::milliseconds> limit = {};
  std::vector<std::string> queues = {"a"};
  bool on = true;
  int level = 0;
  std::optional<std::string> password = {};
  std::string url = "amqp://127.0.0.1";
  std::string host = "here";
  yaml::Entries arguments = {};
};

Settings read(yaml::Document& document) {
  Settings out;
  yaml::Map root = document.root();
  root.get("name", out.name);
  root.get("count", out.count);
  root.get("wait", out.wait);
  root.get("limit", out.limit);
  root.get("queues", out.queues);
  root.get("active", out.on);
  root.choice<int>("level", out.level, {{"low", 0}, {"high", 1}});
  yaml::Map broker = root.map("broker");
  broker.get("host", out.host);
  broker.get("url", out.url);
  broker.secret("password", out.password);
  for (yaml::Map each : root.maps("users")) each.get("name", out.name);
  for (auto& [name, each] : root.entries("routes", "queue")) each.get("queue", out.host);
  root.tree("arguments", out.arguments);
  return out;
}

// Lines without the padding in front of where a value is from.
std::string effective(const std::string& text, const std::vector<yaml::Override>& overrides = {},
                      std::map<std::string, std::string> variables = {}) {
  yaml::Document document = yaml::Document::parse(text, "f", with(std::move(variables)));
  read(document);
  REQUIRE(document.finish());
  std::string all = document.effective(overrides);
  for (std::size_t at = all.find("   #"); at != all.npos; at = all.find("   #")) all.erase(at, 1);
  return all;
}

}  // namespace

TEST_CASE("What came out of a file is shown with where each value is from") {
  CHECK(effective("name: sky\nwait: 2m\nqueues: [x, \"y z\"]\nusers: [{name: ann}, {}]\nroutes: {\"a.*\": b}\n"
                  "arguments: {x: 1, y: [true, \"2\"]}\n",
                  {{"count", "7", "--count"}, {"broker.host", "there", "--broker"}}, {{"WHERRY_ACTIVE", "no"}}) ==
        "name: sky  # f:1:7\n"
        "count: 7  # --count\n"
        "wait: 2m  # f:2:7\n"
        "#limit:  # none\n"
        "queues: [x, \"y z\"]  # f:3:9\n"
        "active: false  # WHERRY_ACTIVE\n"
        "level: low  # default\n"
        "broker:\n"
        "  host: there  # --broker\n"
        "  url: \"amqp://127.0.0.1\"  # default\n"
        "  #password:  # none\n"
        "users:\n"
        "  - name: ann  # f:4:16\n"
        "  - name: ann  # default\n"
        "routes:\n"
        "  \"a.*\":\n"
        "    queue: b  # f:5:17\n"
        "arguments: {x: 1, y: [true, \"2\"]}  # f:6:12\n");
}

TEST_CASE("What is shown is read as what it was") {
  const std::string text = "name: \"yes\"\nqueues: [\"a, b\", \"$${X}\", '\"', \"1\"]\nlimit: 90s\nlevel: high\n";
  const std::string shown = effective(text, {}, {{"X", "x"}});
  yaml::Document again = yaml::Document::parse(shown, "again", no_environment());
  const Settings settings = read(again);
  REQUIRE(again.finish());
  CHECK(settings.name == "yes");
  CHECK(settings.limit == 90s);
  CHECK(settings.level == 1);
  CHECK(effective(text, {}, {{"X", "x"}}).substr(0, 5) == "name:");
}

TEST_CASE("No password is shown, wherever it stands") {
  const std::string shown =
      effective("broker:\n  url: \"amqp://me:hunter2@a:1/v;amqp://you:hunter2@b\"\n  password: hunter2\n", {},
                {{"WHERRY_NAME", "redis://:hunter2@h/0"}});
  CHECK(shown.find("hunter2") == shown.npos);
  CHECK(shown.find("url: \"amqp://me:********@a:1/v;amqp://you:********@b\"") != shown.npos);
  CHECK(shown.find("password: \"********\"") != shown.npos);
  CHECK(shown.find("name: \"redis://:********@h/0\"") != shown.npos);
}

TEST_CASE("A document knows the keys at its top") {
  CHECK(yaml::Document::parse("b: 1\na: {c: 2}\n", "f", no_environment()).keys() == std::vector<std::string>{"b", "a"});
  CHECK(yaml::Document::parse("", "f", no_environment()).keys().empty());
}

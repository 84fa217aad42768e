#include "base/yaml.h"

#include <map>

#include <catch2/catch.hpp>

using namespace wherry;
using namespace std::chrono_literals;

namespace {

Environment environment(std::map<std::string, std::string> variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

enum class Colour { red, green };

struct Paint {
  std::string name = "none";
  int layers = 1;
  double gloss = 0.5;
  bool wet = false;
  std::chrono::seconds dry{60};
  std::uint64_t can = 1024;
  Colour colour = Colour::red;
  std::vector<std::string> walls = {"north"};
  std::optional<std::string> key;
  std::string street = "here";
  std::vector<std::string> shops;
  std::vector<std::string> rules;
  yaml::Entries extra;
  std::string error;  // Of finish(); empty when all is well.
};

Paint read(yaml::Document document) {
  Paint out;
  yaml::Map root = document.root();
  root.get("name", out.name);
  root.get("layers", out.layers, 1, 9);
  root.get("gloss", out.gloss, 0, 1);
  root.get("wet", out.wet);
  root.get("dry", out.dry, 1s, 1h);
  root.size("can", out.can, 1, 1 << 20);
  root.choice<Colour>("colour", out.colour, {{"red", Colour::red}, {"green", Colour::green}});
  root.get("walls", out.walls);
  root.secret("key", out.key);
  root.map("house").get("street", out.street);
  for (yaml::Map shop : root.maps("shops", "city")) {
    std::string city;
    if (shop.required("city", city)) out.shops.push_back(city);
  }
  for (auto& [pattern, rule] : root.entries("rules", "to")) {
    std::string to;
    rule.get("to", to);
    out.rules.push_back(pattern + ">" + to);
  }
  root.tree("extra", out.extra);
  if (auto read = document.finish(); !read) out.error = read.error().message;
  return out;
}

Paint read(std::string_view text, std::map<std::string, std::string> variables = {}) {
  return read(yaml::Document::parse(text, "paint.yaml", environment(std::move(variables))));
}

}  // namespace

TEST_CASE("A file sets what it names and leaves the rest at its default") {
  Paint paint = read(R"(
name: sky
layers: 3
gloss: 0.25
wet: yes
dry: 1m30s
can: 64KiB
colour: green
walls: [north, south]
house: {street: Elm}
shops: [Rome, {city: Oslo}]
rules:
  "a.*": {to: b}
  c: d
)");
  CHECK(paint.error == "");
  CHECK(paint.name == "sky");
  CHECK(paint.layers == 3);
  CHECK(paint.gloss == 0.25);
  CHECK(paint.wet);
  CHECK(paint.dry == 90s);
  CHECK(paint.can == 65'536);
  CHECK(paint.colour == Colour::green);
  CHECK(paint.walls == std::vector<std::string>{"north", "south"});
  CHECK(paint.street == "Elm");
  CHECK(paint.shops == std::vector<std::string>{"Rome", "Oslo"});
  CHECK(paint.rules == std::vector<std::string>{"a.*>b", "c>d"});

  paint = read("# nothing\n");
  CHECK(paint.error == "");
  CHECK(paint.layers == 1);
  CHECK(paint.walls == std::vector<std::string>{"north"});
}

TEST_CASE("A key without a value keeps the default, and one text is a list of one") {
  Paint paint = read("layers:\nname: ~\nwalls: east\nhouse:\n");
  CHECK(paint.error == "");
  CHECK(paint.layers == 1);
  CHECK(paint.name == "none");
  CHECK(paint.walls == std::vector<std::string>{"east"});
}

TEST_CASE("A mistake is reported at its place with what was wanted") {
  auto [text, error] = GENERATE(table<std::string, std::string>({
      {"nmae: x", "paint.yaml:1:1: unknown key 'nmae'; did you mean 'name'?"},
      {"house:\n  stret: x", "paint.yaml:2:3: unknown key 'stret'; did you mean 'street'?"},
      {"house:\n  zip: 1", "paint.yaml:2:3: unknown key 'zip'; the keys here are street"},
      {"shops:\n  - {city: Rome, cty: 1}", "paint.yaml:2:18: unknown key 'cty'; did you mean 'city'?"},
      {"rules:\n  x: {too: y}", "paint.yaml:2:7: unknown key 'too'; did you mean 'to'?"},
      {"layers: [1, 2]", "paint.yaml:1:9: 'layers' wants a whole number, got a list"},
      {"layers: many", "paint.yaml:1:9: 'layers' wants a whole number, got 'many'"},
      {"layers: 1.5", "paint.yaml:1:9: 'layers' wants a whole number, got '1.5'"},
      {"layers: 99999999999999999999", "paint.yaml:1:9: 'layers' wants a whole number, got '99999999999999999999'"},
      {"layers: 10", "paint.yaml:1:9: 'layers' must be between 1 and 9, got 10"},
      {"layers: -1", "paint.yaml:1:9: 'layers' must be between 1 and 9, got -1"},
      {"gloss: shiny", "paint.yaml:1:8: 'gloss' wants a number, got 'shiny'"},
      {"gloss: 2", "paint.yaml:1:8: 'gloss' must be between 0 and 1, got 2"},
      {"wet: 2", "paint.yaml:1:6: 'wet' wants true or false, got '2'"},
      {"dry: soon", "paint.yaml:1:6: 'dry' wants a duration such as 30s, 1m30s or 250ms, got 'soon'"},
      {"dry: 2h", "paint.yaml:1:6: 'dry' must be between 1s and 1h, got 2h"},
      {"dry: 1500ms", "paint.yaml:1:6: 'dry' counts in steps of 1s, got 1500ms"},
      {"can: big", "paint.yaml:1:6: 'can' wants a size such as 128KiB or 16MiB, got 'big'"},
      {"can: 1GiB", "paint.yaml:1:6: 'can' must be between 1 and 1048576 bytes, got 1GiB"},
      {"colour: blue", "paint.yaml:1:9: 'colour' wants one of red, green; got 'blue'"},
      {"colour: gren", "paint.yaml:1:9: 'colour' wants one of red, green; got 'gren'; did you mean 'green'?"},
      {"walls: {a: b}", "paint.yaml:1:8: 'walls' wants a list of texts, got a map"},
      {"walls: [a, [b]]", "paint.yaml:1:12: 'walls[1]' wants a text, got a list"},
      {"name: {a: b}", "paint.yaml:1:7: 'name' wants a text, got a map"},
      {"house: Elm", "paint.yaml:1:8: 'house' wants a map of keys, got a text"},
      {"shops: {a: b}", "paint.yaml:1:8: 'shops' wants a list, got a map"},
      {"shops: [[a]]", "paint.yaml:1:9: 'shops[0]' wants a map of keys, got a list"},
      {"shops: [{}]", "paint.yaml:1:9: 'shops[].city' is missing"},
      {"shops:\n - city:", "paint.yaml:2:4: 'shops[].city' is missing"},
      {"rules: [a]", "paint.yaml:1:8: 'rules' wants a map of keys, got a list"},
      {"rules: {x: [a]}", "paint.yaml:1:12: 'x' wants a map of keys, got a list"},
      {"extra: 5", "paint.yaml:1:8: 'extra' wants a map of keys, got a text"},
      {"name: a\nwet: yes\nname: b", "paint.yaml:3:1: the key 'name' is there twice; the first is in line 1"},
      {"[a]: b", "paint.yaml:1:1: a key must be a text"},
      {"- a\n- b", "paint.yaml:1:1: a settings file is a map of keys: 'key: value'"},
      {"name: a\n---\nname: b", "paint.yaml:2:1: a second document begins here; a settings file holds one"},
      {"name: ${NOWHERE}",
       "paint.yaml:1:7: the environment variable NOWHERE is not set; ${NOWHERE:-text} would give it a default"},
      {"name: ${A B}", "paint.yaml:1:7: 'A B' is no name of an environment variable; write $${ for '${' itself"},
      {"name: ${A", "paint.yaml:1:7: '${' without its '}'; write $${ for the two characters themselves"},
      {"key: a\nkey_file: b", "paint.yaml:2:11: 'key' and 'key_file' exclude each other"},
      {"key_file: /nowhere/at/all",
       "paint.yaml:1:11: cannot read the file '/nowhere/at/all': No such file or directory"},
      {"name: *x", "paint.yaml:1:7: not valid YAML: the referenced anchor is not defined"},
      {"name: [a", "paint.yaml:1:1: not valid YAML: end of sequence flow not found"},
      {"name: \"a", "paint.yaml:1:9: not valid YAML: illegal EOF in scalar"},
      {"extra: &x\n  again: *x", "paint.yaml:2:10: an alias inside of what it stands for"},
  }));
  CAPTURE(text);
  CHECK(read(text).error == error);
}

TEST_CASE("All mistakes of a file are reported together, in its order") {
  CHECK(read("wet: perhaps\nnmae: x\nlayers: 0\n").error ==
        "paint.yaml:1:6: 'wet' wants true or false, got 'perhaps'\n"
        "paint.yaml:2:1: unknown key 'nmae'; did you mean 'name'?\n"
        "paint.yaml:3:9: 'layers' must be between 1 and 9, got 0");
}

TEST_CASE("A wrong value leaves the default") {
  Paint paint = read("layers: 77\nwalls: [a, {}]\n");
  CHECK(paint.layers == 1);
  CHECK(paint.walls == std::vector<std::string>{"north"});
}

TEST_CASE("A file that cannot be read says why") {
  CHECK(read(yaml::Document::load("/nowhere/paint.yaml", no_environment())).error ==
        "/nowhere/paint.yaml: cannot read it: No such file or directory");
  CHECK(read(yaml::Document::load("/", no_environment())).error == "/: cannot read it: Is a directory");
}

TEST_CASE("Variables stand in values, with defaults") {
  Paint paint = read("name: a-${WHO}-${NOBODY:-b}-$${WHO}\nlayers: ${N}\nwalls: [\"${WHO}\"]\nextra:\n  n: ${N}\n",
                     {{"WHO", "me"}, {"N", "4"}});
  CHECK(paint.error == "");
  CHECK(paint.name == "a-me-b-${WHO}");
  CHECK(paint.layers == 4);
  CHECK(paint.walls == std::vector<std::string>{"me"});
  CHECK(paint.extra == yaml::Entries{{"n", yaml::Value{std::int64_t{4}}}});
}

TEST_CASE("The environment overrides the file") {
  Paint paint =
      read("layers: 2\nhouse: {street: Elm}\nwalls: [a]\n",
           {{"WHERRY_LAYERS", "5"}, {"WHERRY_HOUSE__STREET", "Oak"}, {"WHERRY_WALLS", "x, y,,z"}, {"WHERRY_NAME", ""}});
  CHECK(paint.error == "");
  CHECK(paint.layers == 5);
  CHECK(paint.street == "Oak");
  CHECK(paint.walls == std::vector<std::string>{"x", "y", "z"});
  CHECK(paint.name == "none");
}

TEST_CASE("The environment sets values without any file") {
  Paint paint = read(yaml::Document::empty(environment({{"WHERRY_HOUSE__STREET", "Oak"}, {"WHERRY_DRY", "2m"}})));
  CHECK(paint.error == "");
  CHECK(paint.street == "Oak");
  CHECK(paint.dry == 120s);
}

TEST_CASE("A wrong variable is called by its name") {
  CHECK(read("layers: 2", {{"WHERRY_LAYERS", "many"}}).error ==
        "WHERRY_LAYERS: 'layers' wants a whole number, got 'many'");
  CHECK(read("", {{"WHERRY_KEY_FILE", "/nowhere/key"}}).error ==
        "WHERRY_KEY_FILE: cannot read the file '/nowhere/key': No such file or directory");
}

TEST_CASE("A mistake is one line, whatever it quotes") {
  CHECK(read("layers: \"a\\nb\\x01\"").error == "paint.yaml:1:9: 'layers' wants a whole number, got 'a\\nb\\x01'");
}

TEST_CASE("Trees keep shapes, types and order") {
  Paint paint =
      read("extra: {z: 1, a: -2.5, t: true, q: \"1\", n: null, l: [x, 2], m: {k: inf}, big: 9223372036854775808}");
  CHECK(paint.error == "");
  using yaml::Value;
  CHECK(paint.extra == yaml::Entries{{"z", Value{std::int64_t{1}}},
                                     {"a", Value{-2.5}},
                                     {"t", Value{true}},
                                     {"q", Value{std::string("1")}},
                                     {"n", Value{nullptr}},
                                     {"l", Value{Value::List{Value{std::string("x")}, Value{std::int64_t{2}}}}},
                                     {"m", Value{yaml::Entries{{"k", Value{std::string("inf")}}}}},
                                     {"big", Value{9223372036854775808.0}}});
}

TEST_CASE("Aliases stand for what they name, up to a limit") {
  CHECK(read("name: &n sky\nhouse: {street: *n}").street == "sky");
  std::string bomb = "extra:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "  a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 0; j < 9; ++j) bomb += ", " + last;
    bomb += "]\n";
  }
  CHECK_THAT(read(bomb).error, Catch::Contains("more than 100000 values"));
}

TEST_CASE("A document knows every key that was asked for") {
  yaml::Document document = yaml::Document::parse("list: [{}]\nfree: {x: {}}", "f", no_environment());
  std::string text;
  for (yaml::Map each : document.root().maps("list")) each.get("a", text);
  for (auto& [name, each] : document.root().entries("free")) each.get("b", text);
  document.root().map("in").get("c", text);
  CHECK(document.asked() == std::set<std::string>{"list", "list[].a", "free", "free.*.b", "in", "in.c"});
}

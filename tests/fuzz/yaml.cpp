// Settings files: any bytes are read or give mistakes, each with the file's name; reading twice says the same.
// Secrets are left out: they would open whatever file the input names.
#include "base/yaml.h"

#include "tests/fuzz/fuzz.h"

using namespace wherry;

namespace {

const char* const keys[] = {"name", "layers", "gloss", "wet",   "dry",   "can", "colour", "walls",
                            "key",  "house",  "shops", "rules", "extra", "<<",  "street", "to"};
const char* const scalars[] = {"red",   "7",        "-3",   "1.5", "true", "null",    "~",       "10s",     "2 KiB",
                               "'7'",   "\"a\\n\"", "${A}", "$${", "${B",  "${N:-x}", "*here",   "&here x", "!!str 1",
                               "1e400", "|\n  a",   "# c",  "[]",  "{}",   "[a, 1]",  "{to: x}", "",        "0x1F"};

void write(std::string& out, std::mt19937_64& random, int indent, int depth) {
  for (auto left = 1 + random() % 4; left > 0; --left) {
    out.append(static_cast<std::size_t>(indent), ' ');
    if (random() % 6 == 0) out += "- ";
    out += keys[random() % std::size(keys)];
    out += ":";
    if (depth > 0 && random() % 3 == 0) {
      if (random() % 4 == 0) out += " &here";
      out += "\n";
      write(out, random, indent + 2, depth - 1);
    } else {
      out += ' ';
      out += scalars[random() % std::size(scalars)];
      out += "\n";
    }
  }
}

// Asks for every kind of value; what finish() says.
std::string read(std::string_view text) {
  auto environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "A") return "from the environment";
    if (name == "WHERRY_HOUSE__STREET") return "elsewhere";
    return std::nullopt;
  };
  yaml::Document document = yaml::Document::parse(text, "fuzz.yaml", environment);
  yaml::Map root = document.root();
  std::string name;
  int layers = 1;
  double gloss = 0;
  bool wet = false;
  std::chrono::seconds dry{};
  std::uint64_t can = 0;
  int colour = 0;
  std::vector<std::string> walls;
  std::optional<std::uint16_t> key;
  root.required("name", name);
  if (root.get("layers", layers, 1, 9)) WHERRY_FUZZ_CHECK(layers >= 1 && layers <= 9);
  if (root.get("gloss", gloss, 0, 1)) WHERRY_FUZZ_CHECK(gloss >= 0 && gloss <= 1);
  root.get("wet", wet);
  if (root.get("dry", dry, std::chrono::seconds(1), std::chrono::hours(1)))
    WHERRY_FUZZ_CHECK(dry >= std::chrono::seconds(1) && dry <= std::chrono::hours(1));
  if (root.size("can", can, 1, 1 << 20)) WHERRY_FUZZ_CHECK(can >= 1 && can <= 1 << 20);
  root.choice<int>("colour", colour, {{"red", 1}, {"green", 2}});
  root.get("walls", walls);
  root.get("key", key);
  root.map("house").get("street", name);
  for (yaml::Map shop : root.maps("shops", "city")) shop.required("city", name);
  for (auto& [pattern, rule] : root.entries("rules", "to")) {
    rule.get("to", name);
    rule.error("to", "refused");
  }
  yaml::Entries extra;
  root.tree("extra", extra);
  auto finished = document.finish();
  return finished ? "" : finished.error().message;
}

}  // namespace

std::string fuzz::make_input(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text;
  write(text, random, 0, 3);
  return text;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string said = read(fuzz::view(data, size));
  WHERRY_FUZZ_CHECK(read(fuzz::view(data, size)) == said);
  // One mistake a line, each at its place.
  std::string_view rest = said;
  while (!rest.empty()) {
    const std::size_t stop = std::min(rest.find('\n'), rest.size());
    WHERRY_FUZZ_CHECK(rest.starts_with("fuzz.yaml") || rest.starts_with("WHERRY_"));
    rest.remove_prefix(std::min(stop + 1, rest.size()));
  }
  return 0;
}

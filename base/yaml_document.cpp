#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "base/nearest.h"
#include "base/yaml_node.h"

namespace wherry {

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Environment no_environment() {
  return [](const std::string&) { return std::nullopt; };
}

}  // namespace wherry

namespace wherry::yaml {

namespace detail {

std::string State::place(Position at) const {
  if (at.line == 0) return name;
  return fmt::format("{}:{}:{}", name, at.line, at.column);
}

namespace {

// A mistake is one line, whatever the keys and values that it quotes.
std::string in_one_line(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

}  // namespace

void State::mistake(Position at, std::string_view text) {
  mistakes.push_back({at, fmt::format("{}: {}", place(at), in_one_line(text))});
}

void State::mistake(std::string_view where, std::string_view text) {
  mistakes.push_back({{}, fmt::format("{}: {}", where, in_one_line(text))});
}

Result<std::string> substitute(std::string_view text, const Environment& environment) {
  std::string out;
  std::size_t at = 0;
  for (;;) {
    const std::size_t start = text.find("${", at);
    if (start == text.npos) break;
    if (start > at && text[start - 1] == '$') {
      out += text.substr(at, start - 1 - at);
      out += "${";
      at = start + 2;
      continue;
    }
    const std::size_t stop = text.find('}', start);
    if (stop == text.npos) return fail("'${' without its '}'; write $${ for the two characters themselves");
    const std::string_view inside = text.substr(start + 2, stop - start - 2);
    const std::size_t fallback = inside.find(":-");
    const std::string variable(inside.substr(0, fallback));
    if (variable.empty() || !std::all_of(variable.begin(), variable.end(),
                                         [](unsigned char c) { return c == '_' || (c < 128 && std::isalnum(c)); }))
      return fail(fmt::format("'{}' is no name of an environment variable; write $${{ for '${{' itself", variable));
    out += text.substr(at, start - at);
    const std::optional<std::string> value = environment(variable);
    if (value && !(value->empty() && fallback != inside.npos)) {
      out += *value;
    } else if (fallback != inside.npos) {
      out += inside.substr(fallback + 2);
    } else {
      return fail(fmt::format("the environment variable {} is not set; ${{{}:-text}} would give it a default", variable,
                              variable));
    }
    at = stop + 1;
  }
  out += text.substr(at);
  return out;
}

namespace {

void check_keys(State& state) {
  // In the order of pointers, which is none; finish() sorts by place.
  for (const auto& [node, allowed] : state.allowed) {
    if (node == nullptr) continue;
    for (const Node::Entry& entry : node->entries) {
      if (std::find(allowed.begin(), allowed.end(), entry.key) != allowed.end()) continue;
      if (auto near = nearest(entry.key, allowed))
        state.mistake(entry.at, fmt::format("unknown key '{}'; did you mean '{}'?", entry.key, *near));
      else
        state.mistake(entry.at,
                      fmt::format("unknown key '{}'; the keys here are {}", entry.key, fmt::join(allowed, ", ")));
    }
  }
}

}  // namespace

}  // namespace detail

Document::Document(std::unique_ptr<detail::State> state) : state_(std::move(state)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Document Document::load(const std::string& path, Environment environment) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(detail::most_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  const int cause = errno;
  const bool read = !file.bad() && (file.eof() || file.gcount() > 0);
  text.resize(static_cast<std::size_t>(file.gcount()));

  if (read && text.size() <= detail::most_bytes) {
    Document document = parse(text, path, std::move(environment));
    const std::size_t slash = path.rfind('/');
    if (slash != path.npos) document.state_->folder = slash == 0 ? "/" : path.substr(0, slash);
    return document;
  }
  Document document = empty(std::move(environment));
  document.state_->broken = true;
  document.state_->mistake(path, read ? std::string("larger than 1 MiB: that is no settings file")
                                      : fmt::format("cannot read it: {}", std::strerror(cause)));
  return document;
}

Document Document::parse(std::string_view text, std::string name, Environment environment) {
  auto state = std::make_unique<detail::State>();
  state->name = std::move(name);
  state->environment = std::move(environment);
  state->root = detail::parse(text, *state);
  if (state->root && state->root->kind == detail::Node::Kind::null) state->root = nullptr;
  if (state->root && state->root->kind != detail::Node::Kind::map) {
    state->mistake(state->root->at, "a settings file is a map of keys: 'key: value'");
    state->root = nullptr;
    state->broken = true;
  }
  return Document(std::move(state));
}

Document Document::empty(Environment environment) {
  auto state = std::make_unique<detail::State>();
  state->name = "settings";
  state->environment = std::move(environment);
  return Document(std::move(state));
}

Map Document::root() {
  state_->allowed[state_->root.get()];
  return Map(state_.get(), state_->root.get(), {}, true, &state_->shown);
}

Result<void> Document::finish() {
  std::vector<detail::Mistake> all;
  if (state_->broken) {
    // What was found before anything was read: asking an absent tree finds every required key missing.
    all.push_back(state_->mistakes.front());
  } else {
    detail::check_keys(*state_);
    all = state_->mistakes;
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  }
  if (all.empty()) return {};
  std::string text;
  for (const detail::Mistake& each : all) {
    if (!text.empty()) text += '\n';
    text += each.text;
  }
  return fail(std::move(text));
}

const std::set<std::string>& Document::asked() const {
  return state_->asked;
}
const std::string& Document::folder() const {
  return state_->folder;
}

}  // namespace wherry::yaml

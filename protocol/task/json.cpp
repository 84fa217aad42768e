#include "protocol/task/json.h"

#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "protocol/task/base64.h"
#include "protocol/task/builder.h"

namespace wherry::task {

namespace {

// --- writing --------------------------------------------------------------------------------------------------------

class Writer {
 public:
  bool write(const Value& value, std::size_t depth) {
    depth_ = depth;
    return std::visit(*this, value.variant());
  }

  bool operator()(std::monostate) { return raw("null"); }
  bool operator()(bool is) { return raw(is ? "true" : "false"); }
  bool operator()(std::int64_t is) { return raw(std::to_string(is)); }
  bool operator()(std::uint64_t is) { return raw(std::to_string(is)); }
  bool operator()(double is) {
    if (!std::isfinite(is)) return refuse(std::isnan(is) ? "JSON cannot hold NaN" : "JSON cannot hold an infinity");
    char text[32];
    const std::string_view written(text, static_cast<std::size_t>(std::to_chars(text, text + 32, is).ptr - text));
    out += written;
    // So that it is read as a number and not as an integer.
    if (written.find_first_of(".e") == written.npos) out += ".0";
    return true;
  }
  bool operator()(const std::string& is) { return quoted(is); }
  bool operator()(const Bytes& is) {
    if (is_utf8(is.data)) return raw(R"({"__type__": "bytes", "__value__": )") && quoted(is.data) && raw("}");
    return raw(R"({"__type__": "base64", "__value__": ")") && raw(encode_base64(is.data)) && raw("\"}");
  }
  bool operator()(const Value::Array& is) {
    const std::size_t depth = depth_ + 1;
    if (depth > max_depth) return too_deep();
    out += '[';
    for (std::size_t i = 0; i < is.size(); ++i) {
      if (i > 0) out += ", ";
      if (!write(is[i], depth)) return false;
    }
    return raw("]");
  }
  bool operator()(const Value::Map& is) {
    const std::size_t depth = depth_ + 1;
    if (depth > max_depth) return too_deep();
    out += '{';
    bool first = true;
    for (const auto& [key, value] : is) {
      if (!first) out += ", ";
      first = false;
      if (!quoted(key) || !raw(": ") || !write(value, depth)) return false;
    }
    return raw("}");
  }

  std::string out;
  std::string error;

 private:
  bool raw(std::string_view text) {
    out += text;
    return true;
  }
  bool refuse(std::string_view why) {
    error = why;
    return false;
  }
  bool too_deep() { return refuse("nested deeper than " + std::to_string(max_depth) + " levels"); }

  bool quoted(std::string_view text) {
    static constexpr char hex[] = "0123456789abcdef";
    if (!is_utf8(text)) return refuse("a string that is not UTF-8; raw bytes are sent as task::Bytes");
    out += '"';
    for (char c : text) {
      if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
      } else if (c == '\n') {
        out += "\\n";
      } else if (static_cast<unsigned char>(c) < 0x20) {
        out += "\\u00";
        out += hex[c >> 4];
        out += hex[c & 15];
      } else {
        out += c;
      }
    }
    out += '"';
    return true;
  }

  std::size_t depth_ = 0;
};

// --- reading --------------------------------------------------------------------------------------------------------

constexpr std::string_view type_key = "__type__";
constexpr std::string_view value_key = "__value__";

// The 32 digits of Python's uuid.hex with its dashes.
std::string dashed(std::string_view hex) {
  if (hex.size() != 32) return std::string(hex);
  std::string out(hex);
  for (std::size_t at : {8, 13, 18, 23}) out.insert(at, 1, '-');
  return out;
}

// What {"__type__", "__value__"} stands for; nullopt with error set when it stands for nothing we know.
std::optional<Value> special(const Value& type, const Value& value, std::string& error) {
  const std::string* name = type.get<std::string>();
  const std::string* text = value.get<std::string>();
  if (name != nullptr) {
    if (*name == "bytes" && text != nullptr) return Bytes{*text};
    if (*name == "base64" && text != nullptr) {
      if (auto bytes = decode_base64(*text)) return Bytes{std::move(*bytes)};
    }
    if (text != nullptr && (*name == "datetime" || *name == "date" || *name == "time" || *name == "decimal")) {
      return *text;
    }
    if (*name == "uuid") {
      if (text != nullptr) return *text;
      const Value* hex = value.find("hex");
      if (hex != nullptr && hex->get<std::string>() != nullptr) return dashed(*hex->get<std::string>());
    }
    error = "no value of __type__ \"" + *name + "\": " + describe(value);
  } else {
    error = "a __type__ that is no string: " + describe(type);
  }
  return std::nullopt;
}

// What nlohmann's parser calls. false from any of them ends the parsing, with error set.
struct Events {
  using Json = nlohmann::json;

  bool null() { return put(nullptr); }
  bool boolean(bool is) { return put(is); }
  bool number_integer(std::int64_t is) { return put(is); }
  bool number_unsigned(std::uint64_t is) { return put(is); }
  bool number_float(double is, const std::string& spelled) {
    if (spelled.find_first_of(".eE") == spelled.npos) return refuse("an integer beyond 64 bits");
    return put(is);
  }
  bool string(std::string& is) { return put(std::move(is)); }
  bool binary(std::vector<std::uint8_t>&) { return refuse("binary data"); }
  bool start_object(std::size_t) { return builder.begin_map() || too_deep(); }
  bool start_array(std::size_t) { return builder.begin_array() || too_deep(); }
  bool key(std::string& name) {
    builder.key(std::move(name));
    return true;
  }
  bool end_array() { return put(builder.end()); }
  bool end_object() {
    Value done = builder.end();
    const auto& map = *done.get<Value::Map>();
    const Value* type = map.size() == 2 ? find(map, type_key) : nullptr;
    const Value* value = type != nullptr ? find(map, value_key) : nullptr;
    if (value == nullptr) return put(std::move(done));
    auto meant = special(*type, *value, error);
    return meant && put(std::move(*meant));
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) { return refuse("not JSON"); }

  bool put(Value value) {
    builder.put(std::move(value));
    return true;
  }
  bool refuse(std::string_view why) {
    error = why;
    return false;
  }
  bool too_deep() { return refuse("nested deeper than " + std::to_string(max_depth) + " levels"); }

  Builder builder;
  std::string error;
};

// Reads the text and remembers how far: the parser itself tells its position for some errors only.
struct Tracking {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  reference operator*() const { return *at; }
  Tracking& operator++() {
    ++at;
    *reached = at;
    return *this;
  }
  Tracking operator++(int) {
    Tracking before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const Tracking& a, const Tracking& b) { return a.at == b.at; }

  const char* at;
  const char** reached;
};

}  // namespace

Result<std::string> encode_json(const Value& value) {
  Writer writer;
  if (!writer.write(value, 0)) return fail(std::move(writer.error));
  return std::move(writer.out);
}

Result<Value> decode_json(std::string_view text) {
  if (const std::size_t bad = find_bad_utf8(text); bad != text.npos) {
    return fail("not UTF-8 at byte " + std::to_string(bad));
  }
  const char* reached = text.data();
  Events events;
  if (!nlohmann::json::sax_parse(Tracking{text.data(), &reached}, Tracking{text.data() + text.size(), &reached},
                                 &events)) {
    return fail(events.error + " at byte " + std::to_string(reached - text.data()));
  }
  return std::move(events.builder).take();
}

}  // namespace wherry::task

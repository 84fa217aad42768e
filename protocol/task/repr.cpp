#include "protocol/task/repr.h"

#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace wherry::task {

namespace {

// Appends until the limit is passed by enough to know that it must be cut; then does nothing more.
class Printer {
 public:
  explicit Printer(std::size_t most) : most_(most) {}

  void print(const Value& value) { std::visit(*this, value.variant()); }
  void sequence(const Value::Array& array, char open, char close, bool tuple) {
    out_ += open;
    for (std::size_t i = 0; i < array.size() && !full(); ++i) {
      if (i > 0) out_ += ", ";
      print(array[i]);
    }
    if (tuple && array.size() == 1) out_ += ',';
    out_ += close;
  }

  void operator()(std::monostate) { out_ += "None"; }
  void operator()(bool is) { out_ += is ? "True" : "False"; }
  void operator()(std::int64_t is) { out_ += std::to_string(is); }
  void operator()(std::uint64_t is) { out_ += std::to_string(is); }
  void operator()(double is) {
    if (!std::isfinite(is)) {
      out_ += std::isnan(is) ? "nan" : is < 0 ? "-inf" : "inf";
      return;
    }
    // Python switches to an exponent at these magnitudes, and always shows that it is no integer.
    const double size = std::fabs(is);
    const auto format =
        size != 0 && (size < 1e-4 || size >= 1e16) ? std::chars_format::scientific : std::chars_format::fixed;
    char text[400];
    const auto end = std::to_chars(text, text + sizeof text, is, format).ptr;
    const std::string_view written(text, static_cast<std::size_t>(end - text));
    out_ += written;
    if (written.find_first_of(".e") == written.npos) out_ += ".0";
  }
  void operator()(const std::string& is) { quoted(is, false); }
  void operator()(const Bytes& is) {
    out_ += 'b';
    quoted(is.data, true);
  }
  void operator()(const Value::Array& is) { sequence(is, '[', ']', false); }
  void operator()(const Value::Map& is) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : is) {
      if (full()) break;
      if (!first) out_ += ", ";
      first = false;
      quoted(key, false);
      out_ += ": ";
      print(value);
    }
    out_ += '}';
  }

  std::string take() && {
    if (out_.size() <= most_) return std::move(out_);
    constexpr std::string_view dots = "...";
    return std::string(cut_utf8(out_, most_ < dots.size() ? 0 : most_ - dots.size())) += dots;
  }

 private:
  bool full() const { return out_.size() > most_; }

  void quoted(std::string_view text, bool raw) {
    static constexpr char hex[] = "0123456789abcdef";
    const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
    out_ += quote;
    // What is not UTF-8 is shown as Python shows bytes.
    const bool escape_high = raw || !is_utf8(text);
    std::size_t written = 0;  // All before the character here but what is plain.
    const auto write_plain = [&](std::size_t until) { out_ += text.substr(written, until - written); };
    std::size_t at = 0;
    for (; at < text.size() && out_.size() + (at - written) <= most_; ++at) {
      const char c = text[at];
      const auto byte = static_cast<unsigned char>(c);
      const bool unprintable = byte < 0x20 || byte == 0x7F || (escape_high && byte >= 0x80);
      if (c != quote && c != '\\' && !unprintable) continue;
      write_plain(at);
      written = at + 1;
      out_ += '\\';
      if (c == quote || c == '\\') {
        out_ += c;
      } else if (c == '\n') {
        out_ += 'n';
      } else if (c == '\r') {
        out_ += 'r';
      } else if (c == '\t') {
        out_ += 't';
      } else {
        out_ += 'x';
        out_ += hex[byte >> 4];
        out_ += hex[byte & 15];
      }
    }
    write_plain(at);
    out_ += quote;
  }

  std::size_t most_;
  std::string out_;
};

}  // namespace

std::string repr(const Value& value, std::size_t most) {
  Printer printer(most);
  printer.print(value);
  return std::move(printer).take();
}

std::string args_repr(const Value::Array& args) {
  Printer printer(max_repr);
  printer.sequence(args, '(', ')', true);
  return std::move(printer).take();
}

std::string kwargs_repr(const Value::Map& kwargs) {
  Printer printer(max_repr);
  printer(kwargs);
  return std::move(printer).take();
}

std::string_view cut_utf8(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace wherry::task

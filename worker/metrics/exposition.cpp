#include "worker/metrics/exposition.h"

#include <fmt/format.h>

namespace wherry::metrics {

namespace {

void escape(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

}  // namespace

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  is_counter_ = type == "counter";
  // What a counter's family is called is where the two formats differ.
  const std::string_view total = is_counter_ && format_ == Format::prometheus ? "_total" : "";
  out_ += fmt::format("# HELP {}{} {}\n# TYPE {}{} {}\n", name, total, help, name, total, type);
}

void Exposition::counter(std::string_view name, std::string_view help) {
  family(name, "counter", help);
}
void Exposition::gauge(std::string_view name, std::string_view help) {
  family(name, "gauge", help);
}
void Exposition::histogram(std::string_view name, std::string_view help) {
  family(name, "histogram", help);
}

void Exposition::line(std::string_view suffix, Labels labels, std::string_view more, double value) {
  out_ += name_;
  out_ += suffix;
  char next = '{';
  for (const auto& [key, text] : labels) {
    out_ += next;
    out_ += key;
    out_ += "=\"";
    escape(out_, text);
    out_ += '"';
    next = ',';
  }
  if (!more.empty()) {
    out_ += next;
    out_ += more;
    next = ',';
  }
  if (next == ',') out_ += '}';
  fmt::format_to(std::back_inserter(out_), " {}\n", value);
}

void Exposition::sample(Labels labels, double value) {
  line(is_counter_ ? "_total" : "", labels, {}, value);
}

void Exposition::sample(Labels labels, const Histogram& value) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < Histogram::bounds.size(); ++i) {
    below += value.counts[i];
    line("_bucket", labels, fmt::format("le=\"{}\"", Histogram::bounds[i]), static_cast<double>(below));
  }
  below += value.counts.back();
  line("_bucket", labels, "le=\"+Inf\"", static_cast<double>(below));
  line("_sum", labels, {}, value.sum);
  line("_count", labels, {}, static_cast<double>(below));
}

std::string Exposition::finish() {
  if (format_ == Format::openmetrics) out_ += "# EOF\n";
  return std::move(out_);
}

std::string_view Exposition::content_type(Format format) {
  return format == Format::openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                       : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace wherry::metrics

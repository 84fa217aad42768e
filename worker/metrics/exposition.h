// Exposition: metrics as text, in Prometheus' format 0.0.4 or in OpenMetrics 1.0.
//
//   Exposition text(Exposition::Format::prometheus);
//   text.counter("wherry_worker_tasks", "Tasks by name and state.");
//   text.sample({{"task", "email.send"}, {"state", "succeeded"}}, 17);
//   std::string body = text.finish();
//
// A family is begun by counter(), gauge() or histogram() and has the samples that follow. Names are Prometheus': words
// of letters, digits and "_"; a counter's is given without its "_total". The writer escapes the values of labels.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "worker/metrics/tally.h"

namespace wherry::metrics {

class Exposition {
 public:
  enum class Format { prometheus, openmetrics };
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  explicit Exposition(Format format) : format_(format) {}

  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);
  void histogram(std::string_view name, std::string_view help);
  // Of the family that was begun last.
  void sample(Labels labels, double value);
  void sample(Labels labels, const Histogram& value);

  // All of it; nothing may be added afterwards.
  std::string finish();
  // What the text is to be called in an answer.
  static std::string_view content_type(Format format);

 private:
  void family(std::string_view name, std::string_view type, std::string_view help);
  void line(std::string_view suffix, Labels labels, std::string_view more, double value);

  const Format format_;
  std::string name_;
  bool is_counter_ = false;
  std::string out_;
};

}  // namespace wherry::metrics

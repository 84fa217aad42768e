// Live: one line on standard error that shows how a run goes, replaced several times a second. Nothing where standard
// error is no terminal, or when it was not wanted. The line is taken away again before anything else is printed.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <string>

namespace wherry::perf {

class Live {
 public:
  explicit Live(bool wanted);
  ~Live() { clear(); }
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  bool on() const { return on_; }
  void show(const std::string& line);
  void clear();

 private:
  bool on_ = false;
  bool shown_ = false;
};

// "1,234,567": numbers that people compare.
std::string with_commas(std::uint64_t number);

}  // namespace wherry::perf
